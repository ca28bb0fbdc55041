"""Stage `evaluate`: the models one after another, then report and card."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from selfalign.constitution.yaml_file import load_constitution
from selfalign.errors import ObjectExists, ObjectMissing
from selfalign.evaluation.arms import evaluate_arm, merge
from selfalign.evaluation.benchmark_files import load_benchmarks
from selfalign.evaluation.evaluation_inputs import EvaluationInputs, aligned_rows
from selfalign.evaluation.report.run_card import render_card
from selfalign.evaluation.report.run_report import render_report
from selfalign.evaluation.report.run_stages import ReportStages
from selfalign.evaluation.report.run_view import load_run_view
from selfalign.evaluation.results import ArmResults
from selfalign.events import Step
from selfalign.inference.client.build import build_engine
from selfalign.pipeline.run.run import Run
from selfalign.pipeline.stages import align, distill, engrave, prompts, refine
from selfalign.pipeline.stages.kinds.stage import Stage, StageWork
from selfalign.pipeline.stages.kinds.table_stage import TableStage
from selfalign.pipeline.stages.kinds.training_stage import TrainingStage
from selfalign.pipeline.stages.models import model_weights, models_made
from selfalign.pipeline.stages.prompt_split import held_out_prompts
from selfalign.roles import ModelRole
from selfalign.storage.manifest import Manifest, write_manifest
from selfalign.storage.rows import PromptItem, Row, derive_seed
from selfalign.storage.tables import part_info
from selfalign.telemetry.metrics import Metrics


@dataclass(frozen=True, kw_only=True)
class EvaluateStage(Stage):
    """Asks the models of the run the held-out prompts, and shows what the run has made."""

    def make(self, work: StageWork) -> None:
        """Evaluates what is not evaluated yet, model by model; writes report, card, manifest."""
        run = work.run
        inputs = self.inputs(run)
        arms = [self._arm(work, role, inputs) for role in models_made(work.stages, run)]
        results = merge(inputs, arms)
        prefix = run.prefix(self.name)
        files = {"results.json": results.model_dump_json(indent=2).encode()}
        run.store.put(f"{prefix}/results.json", files["results.json"])
        view = load_run_view(run.store, run.name, self.in_report(work.stages))
        files["report.html"] = render_report(view, run.config.evaluate.report_samples).encode()
        files["card.md"] = render_card(view).encode()
        for name, data in files.items():
            run.store.put(f"{prefix}/{name}", data)
        manifest = Manifest(
            stage=self.name,
            fingerprint=work.fingerprint,
            parts=tuple(part_info(name, data, 0) for name, data in files.items()),
            details=results.headline(),
        )
        write_manifest(run.store, prefix, manifest)

    def in_report(self, stages: Sequence[Stage]) -> ReportStages:
        """What the report needs to know of the stages."""
        return ReportStages(
            names=tuple(stage.name for stage in stages),
            tables=tuple(stage.name for stage in stages if isinstance(stage, TableStage)),
            trainings=tuple(stage.name for stage in stages if isinstance(stage, TrainingStage)),
            aligned=align.STAGE.name,
            refined=refine.STAGE.name,
            evaluation=self.name,
        )

    def inputs(self, run: Run) -> EvaluationInputs:
        """What all models are asked."""
        settings = run.config.evaluate
        return EvaluationInputs(
            constitution=load_constitution(run.config.constitution),
            settings=settings,
            held_out=tuple(self._item(run, row) for row in held_out_prompts(run)),
            aligned=aligned_rows(run.store, run.prefix(align.STAGE.name)),
            benchmarks=load_benchmarks(settings),
        )

    def _arm(self, work: StageWork, role: ModelRole, inputs: EvaluationInputs) -> ArmResults:
        """One model's results: from the store if a run that was stopped left them there."""
        run = work.run
        key = f"{run.prefix(self.name)}/arm-{role}.json"
        try:
            return ArmResults.model_validate_json(run.store.get(key))
        except ObjectMissing:
            pass
        settings = work.executor.serve(role, model_weights(work.stages, run, role))

        def progress(phase: str, done: int, total: int) -> None:
            work.report(Step(phase=phase, step=done, steps=total))

        async def evaluate() -> ArmResults:
            engine = build_engine(settings, Metrics())
            try:
                return await evaluate_arm(role, engine, inputs, progress)
            finally:
                await engine.close()

        results = asyncio.run(evaluate())
        work.executor.release(role)
        try:
            run.store.create(key, results.model_dump_json().encode())
        except ObjectExists:
            return ArmResults.model_validate_json(run.store.get(key))
        return results

    def _item(self, run: Run, row: Row) -> PromptItem:
        seed = derive_seed(run.config.seed, self.name, row.prompt_id)
        return PromptItem.of(row, seed=seed)


STAGE = EvaluateStage(
    name="evaluate",
    after=tuple(stage.STAGE.name for stage in (prompts, align, engrave)),
    after_if_done=tuple(stage.STAGE.name for stage in (refine, distill)),
    settings=("evaluate",),
    results=(("report", "report.html"), ("card", "card.md")),
    files=("constitution", "evaluate.hhh_file", "evaluate.truthfulqa_file"),
)
