"""Stage `evaluate`: the models one after another, then report and card."""

from collections.abc import Sequence
from dataclasses import dataclass

from selfalign.answering.answer_filter import AnswerFilter
from selfalign.constitution.yaml_file import load_constitution
from selfalign.errors import DataError
from selfalign.evaluation.arms import evaluate_arm, judge_answers, merge
from selfalign.evaluation.benchmark_files import load_benchmarks
from selfalign.evaluation.evaluation_inputs import EvaluationInputs, aligned_rows
from selfalign.evaluation.probes.probes_file import drawn_per_kind, load_probes
from selfalign.evaluation.report.run_card import render_card
from selfalign.evaluation.report.run_report import render_report
from selfalign.evaluation.report.run_stages import ReportStages
from selfalign.evaluation.report.run_view import RESULTS_NAME, load_results, load_run_view
from selfalign.evaluation.report.verdict import verdict_lines
from selfalign.evaluation.results import ArmResults, OnTaskResults
from selfalign.pipeline.run.layout import LAYOUT_SETTINGS, own_layout, run_layout
from selfalign.pipeline.run.run import Run
from selfalign.pipeline.stages import align, distill, engrave, prompts, refine
from selfalign.pipeline.stages.kinds.stage import Stage, StageWork
from selfalign.pipeline.stages.kinds.table_stage import TableStage
from selfalign.pipeline.stages.kinds.training_stage import TrainingStage
from selfalign.pipeline.stages.models import models_made
from selfalign.pipeline.stages.prompt_split import held_out_prompts
from selfalign.pipeline.stages.served_model import ServedModel
from selfalign.roles import ModelRole
from selfalign.storage.manifest import Manifest, write_manifest
from selfalign.storage.rows import PromptItem, Row, derive_seed
from selfalign.storage.tables import part_info


@dataclass(frozen=True, kw_only=True)
class EvaluateStage(Stage):
    """Asks the models of the run the held-out prompts, and shows what the run has made."""

    def make(self, work: StageWork) -> None:
        """Evaluates what is not evaluated yet, model by model; writes report, card, manifest."""
        run = work.run
        inputs = self.inputs(run)
        arms, on_task = self._answers(work, inputs)
        results = merge(inputs, arms, on_task)
        prefix = run.prefix(self.name)
        files = {RESULTS_NAME: results.model_dump_json(indent=2).encode()}
        run.store.put(f"{prefix}/{RESULTS_NAME}", files[RESULTS_NAME])
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

    def verdict(self, run: Run) -> list[str]:
        """What got worse and better, line by line; why there is none, of an earlier version's run.

        Raises:
            StoreError: the store failed.
        """
        try:
            results = load_results(run.store, run.prefix(self.name))
        except DataError as error:
            return [str(error)]
        return verdict_lines(results) if results else []

    def _answers(
        self, work: StageWork, inputs: EvaluationInputs
    ) -> tuple[list[ArmResults], OnTaskResults]:
        """All models' results, and the base model's judgement of them.

        The base model comes last: it is served once, for its own answers and for scoring all.
        """
        arms: list[ArmResults] = []
        prefix = work.run.prefix(self.name)
        base, *trained = models_made(work.stages, work.run)
        for role in trained:
            with ServedModel(work, prefix, role) as model:
                arms.append(_asked(model, role, inputs))
        with ServedModel(work, prefix, base) as model:
            arms.append(_asked(model, base, inputs))
            on_task = model.part(
                # A run that went on after an earlier evaluation has more answers to judge.
                f"on-task-{base}-{'-'.join(trained)}.json",
                OnTaskResults,
                lambda engine, progress: judge_answers(engine, inputs, arms, progress),
            )
        return arms, on_task

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
        constitution = load_constitution(run.config.constitution)
        return EvaluationInputs(
            constitution=constitution,
            settings=settings,
            held_out=tuple(self._item(run, row) for row in held_out_prompts(run)),
            aligned=aligned_rows(run.store, run.prefix(align.STAGE.name)),
            benchmarks=load_benchmarks(settings),
            probes=drawn_per_kind(load_probes(settings.probes_file), settings.probes_per_kind),
            filters=AnswerFilter(constitution, run.config.refine.filters),
            layout=run_layout(run.config),
            own=own_layout(run.config),
        )

    def _item(self, run: Run, row: Row) -> PromptItem:
        seed = derive_seed(run.config.seed, self.name, row.prompt_id)
        return PromptItem.of(row, seed=seed)


def _asked(model: ServedModel, role: ModelRole, inputs: EvaluationInputs) -> ArmResults:
    return model.part(
        f"model-{role}.json",
        ArmResults,
        lambda engine, progress: evaluate_arm(role, engine, inputs, progress),
    )


STAGE = EvaluateStage(
    name="evaluate",
    after=tuple(stage.STAGE.name for stage in (prompts, align, engrave)),
    after_if_done=tuple(stage.STAGE.name for stage in (refine, distill)),
    settings=("evaluate", *LAYOUT_SETTINGS),
    results=(("report", "report.html"), ("card", "card.md")),
    files=(
        "constitution",
        "evaluate.hhh_file",
        "evaluate.truthfulqa_file",
        "evaluate.probes_file",
    ),
)
