"""Stages `engrave` and `distill`: the training job's configuration."""

from collections.abc import Callable
from typing import Any

from selfalign.constitution.load import load_constitution
from selfalign.constitution.render import student_layout
from selfalign.pipeline.config import RunConfig
from selfalign.pipeline.run import Run
from selfalign.storage.stages import StageName
from selfalign.training_settings.hyperparameters import PresetName
from selfalign.training_settings.run_section import TrainingSection

SECTION: dict[StageName, Callable[[RunConfig], TrainingSection]] = {
    "engrave": lambda config: config.engrave,
    "distill": lambda config: config.distill,
}
SOURCE: dict[StageName, StageName] = {"engrave": "align", "distill": "refine"}
PAPER: dict[StageName, PresetName] = {"engrave": "paper", "distill": "paper-distill"}


def training_settings(run: Run, stage: StageName, fingerprint: dict[str, Any]) -> dict[str, Any]:
    """The training job's whole configuration: the user's section and the pipeline's wiring.

    Both stages start from the base model: verbose cloning trains it afresh (paper, section 3.4).
    Engraving knows the standard meta prompt only; distillation draws from all of them.
    """
    layout = student_layout(load_constitution(run.config.constitution))
    return {
        "preset": PAPER[stage] if run.config.profile == "paper" else "small",
        "seed": run.config.seed,
        **SECTION[stage](run.config).given,
        "base_model": run.config.model.base,
        "data": {"store": run.store.url, "stage_prefix": run.prefix(SOURCE[stage])},
        "output": {"store": run.store.url, "prefix": run.prefix(stage)},
        "layout": {
            "meta_prompts": list(layout.meta_prompts[: 1 if stage == "engrave" else None]),
            "user_header": layout.user_header,
            "assistant_header": layout.assistant_header,
            "end_marker": layout.end_marker,
        },
        "fingerprint": fingerprint,
    }


def merged_weights(run: Run, stage: StageName) -> str:
    """Where the stage leaves its merged weights, as a prefix in the store."""
    return f"{run.prefix(stage)}/merged"
