"""Which weights the models of a run have."""

from collections.abc import Iterable

from selfalign.pipeline.run.run import Run
from selfalign.pipeline.stages.kinds.stage import Stage
from selfalign.pipeline.stages.kinds.training_stage import TrainingStage
from selfalign.roles import ModelRole
from selfalign.weights.source import Weights


def model_weights(stages: Iterable[Stage], run: Run, role: ModelRole) -> Weights:
    """The base model as the run names it, or what a training stage made."""
    for stage in stages:
        if isinstance(stage, TrainingStage) and stage.makes == role:
            return stage.weights(run)
    return run.config.model.weights
