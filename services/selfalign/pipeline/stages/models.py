"""Which models a run has, and their weights."""

from collections.abc import Iterable

from selfalign.pipeline.run.run import Run
from selfalign.pipeline.stages.kinds.stage import Stage
from selfalign.pipeline.stages.kinds.training_stage import TrainingStage
from selfalign.roles import MODEL_ROLES, ModelRole
from selfalign.weights.source import Weights


def model_weights(stages: Iterable[Stage], run: Run, role: ModelRole) -> Weights:
    """The base model as the run names it, or what a training stage made."""
    for stage in stages:
        if isinstance(stage, TrainingStage) and stage.makes == role:
            return stage.weights(run)
    return run.config.model.weights


def models_made(stages: Iterable[Stage], run: Run) -> tuple[ModelRole, ...]:
    """The base model, and those whose training is done, in the order of the run."""
    made = {
        stage.makes
        for stage in stages
        if isinstance(stage, TrainingStage) and run.manifest(stage.name) is not None
    }
    return tuple(role for role in MODEL_ROLES if role == "base" or role in made)
