"""Stage `evaluate`: the models one after another, then report and card."""

import asyncio
from typing import Any

from selfalign.constitution.yaml_file import load_constitution
from selfalign.errors import ObjectExists, ObjectMissing
from selfalign.evaluation.arms import evaluate_arm, merge
from selfalign.evaluation.benchmark_files import load_benchmarks
from selfalign.evaluation.evaluation_inputs import EvaluationInputs, aligned_rows
from selfalign.evaluation.results import ArmResults
from selfalign.evaluation.run_card import render_card
from selfalign.evaluation.run_report import render_report
from selfalign.evaluation.run_stages import ReportStages
from selfalign.evaluation.run_view import load_run_view
from selfalign.inference.build import build_engine
from selfalign.pipeline.executors.base import Executor
from selfalign.pipeline.progress import ProgressEvent, Report
from selfalign.pipeline.run import Run
from selfalign.pipeline.stages.inputs import held_out_prompts
from selfalign.pipeline.stages.training import merged_weights
from selfalign.roles import ROLES, ModelRole
from selfalign.storage.manifest import Manifest, write_manifest
from selfalign.storage.rows import PromptItem, Row, derive_seed
from selfalign.storage.stages import STAGES, TABLE_STAGES, TRAINING_STAGES, StageName
from selfalign.storage.tables import part_info
from selfalign.telemetry.metrics import Metrics

TRAINED_BY: dict[ModelRole, StageName] = {"engraved": "engrave", "final": "distill"}
REPORT_STAGES = ReportStages(
    names=STAGES,
    tables=TABLE_STAGES,
    trainings=TRAINING_STAGES,
    aligned="align",
    refined="refine",
    evaluation="evaluate",
)


def run_evaluation(
    run: Run, executor: Executor, report: Report, fingerprint: dict[str, Any]
) -> None:
    """Evaluates what is not evaluated yet, model by model; writes report, card and manifest."""
    inputs = evaluation_inputs(run)
    arms = [_arm(run, executor, report, role, inputs) for role in ROLES]
    results = merge(inputs, arms)
    prefix = run.prefix("evaluate")
    files = {"results.json": results.model_dump_json(indent=2).encode()}
    run.store.put(f"{prefix}/results.json", files["results.json"])
    view = load_run_view(run.store, run.name, REPORT_STAGES)
    files["report.html"] = render_report(view, run.config.evaluate.report_samples).encode()
    files["card.md"] = render_card(view).encode()
    for name, data in files.items():
        run.store.put(f"{prefix}/{name}", data)
    manifest = Manifest(
        stage="evaluate",
        fingerprint=fingerprint,
        parts=tuple(part_info(name, data, 0) for name, data in files.items()),
        details=results.headline(),
    )
    write_manifest(run.store, prefix, manifest)


def evaluation_inputs(run: Run) -> EvaluationInputs:
    """What all models are asked."""
    settings = run.config.evaluate
    return EvaluationInputs(
        constitution=load_constitution(run.config.constitution),
        settings=settings,
        held_out=tuple(_item(run, row) for row in held_out_prompts(run)),
        aligned=aligned_rows(run.store, run.prefix("align")),
        benchmarks=load_benchmarks(settings),
    )


def _arm(
    run: Run, executor: Executor, report: Report, role: ModelRole, inputs: EvaluationInputs
) -> ArmResults:
    """One model's results: from the store if a run that was stopped left them there."""
    key = f"{run.prefix('evaluate')}/arm-{role}.json"
    try:
        return ArmResults.model_validate_json(run.store.get(key))
    except ObjectMissing:
        pass
    stage = TRAINED_BY.get(role)
    weights = run.config.model.base if stage is None else merged_weights(run, stage)
    settings = executor.serve(role, weights)

    def progress(phase: str, done: int, total: int) -> None:
        fields = {"phase": phase, "step": done, "steps": total}
        report(ProgressEvent("step", "evaluate", fields))

    async def evaluate() -> ArmResults:
        engine = build_engine(settings, Metrics())
        try:
            return await evaluate_arm(role, engine, inputs, progress)
        finally:
            await engine.close()

    results = asyncio.run(evaluate())
    executor.release(role)
    try:
        run.store.create(key, results.model_dump_json().encode())
    except ObjectExists:
        return ArmResults.model_validate_json(run.store.get(key))
    return results


def _item(run: Run, row: Row) -> PromptItem:
    return PromptItem(
        prompt_id=row.prompt_id,
        instruction=row.instruction,
        input=row.input,
        seed=derive_seed(run.config.seed, "evaluate", row.prompt_id),
        source=row.source,
        question_type=row.question_type,
        topic=row.topic,
    )
