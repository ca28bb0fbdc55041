"""What a rank knows of its job once the data are there."""

from dataclasses import dataclass
from pathlib import Path

from selfalign.storage.store import Store
from selfalign_training.configuration.batch_plan import BatchPlan
from selfalign_training.configuration.training_config import TrainingConfig
from selfalign_training.launch.place import Place

ADAPTER, MERGED = "adapter", "merged"
"""Folders of the output; a model that was trained as a whole has no adapter."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job, and this rank's place in it."""

    config: TrainingConfig
    place: Place
    plan: BatchPlan
    store: Store
    """Of the output."""
    key: str
    """Names settings and data: checkpoints lie under it."""

    @property
    def folder(self) -> Path:
        """The job's files on this node's disk: nodes that share one must not share a folder."""
        return self.config.work_dir.absolute() / f"job-{self.key}-node-{self.place.node}"
