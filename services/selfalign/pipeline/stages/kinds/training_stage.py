"""Stages that train weights: the training job gets one YAML file and leaves weights."""

from dataclasses import dataclass
from typing import Any

from selfalign.pipeline.executors.contract.executor import Executor
from selfalign.pipeline.run.config import RunConfig
from selfalign.pipeline.run.layout import run_layout
from selfalign.pipeline.run.own_files import read_own_file
from selfalign.pipeline.run.run import Run
from selfalign.pipeline.stages.kinds.stage import Stage, StageWork
from selfalign.roles import ModelRole
from selfalign.training_settings.hyperparameters import PresetName
from selfalign.training_settings.run_section import TrainingSection
from selfalign.weights.source import StageWeights

EXTRA_ROWS = "extra_rows.jsonl"


@dataclass(frozen=True, kw_only=True)
class TrainingStage(Stage):
    """A fine-tuning of the base model on a table's accepted rows.

    All start from the base model: verbose cloning trains it afresh (paper, section 3.4).
    """

    makes: ModelRole
    """What the trained model is called from here on."""
    rows_of: str
    """The table stage whose accepted rows it trains on."""
    paper_preset: PresetName
    """The training job's preset under `profile: paper`."""
    meta_prompts: int | None = None
    """How many of the student's meta prompts it draws from, the standard one first; None: all
    (context distillation)."""

    def section(self, config: RunConfig) -> TrainingSection:
        """The user's hyper-parameters: the section of the run that has the stage's name."""
        section = getattr(config, self.name)
        assert isinstance(section, TrainingSection)
        return section

    def weights(self, run: Run) -> StageWeights:
        """Where the stage leaves its merged weights."""
        return StageWeights(run.store.url, f"{run.prefix(self.name)}/merged")

    def job_settings(self, run: Run, fingerprint: dict[str, Any]) -> dict[str, Any]:
        """The training job's whole configuration: the user's section and the pipeline's wiring."""
        section = self.section(run.config)
        layout = run_layout(run.config).training(self.meta_prompts)
        return {
            "preset": self.paper_preset if run.config.profile == "paper" else "small",
            "seed": run.config.seed,
            **section.given,
            "base_model": run.config.model.base,
            "data": {
                "store": run.store.url,
                "stage_prefix": run.prefix(self.rows_of),
                "extra_rows": section.data.extra_rows,
            },
            "output": {"store": run.store.url, "prefix": run.prefix(self.name)},
            "layout": {**layout, "end_of_turn": run.config.end_of_turn},
            "fingerprint": fingerprint,
        }

    def check(self, run: Run, executor: Executor) -> None:
        """Has the training job check its settings."""
        if run.manifest(self.name) is None:
            executor.check_training(self.job_settings(run, {}))

    def make(self, work: StageWork) -> None:
        settings = self.job_settings(work.run, work.fingerprint)
        if settings["data"]["extra_rows"] is not None:
            settings["data"]["extra_rows"] = self._store_extra_rows(work.run)
        work.executor.train(self.name, settings, work.report)

    def _store_extra_rows(self, run: Run) -> str:
        """Puts the user's own rows beside the output, where every training pod finds them."""
        name = self.section(run.config).data.extra_rows
        assert name is not None
        key = f"{run.prefix(self.name)}/{EXTRA_ROWS}"
        run.store.put(key, read_own_file(run.store, name, f"{self.name}.data.extra_rows"))
        return key
