"""Digests that say which job a configuration describes."""

import hashlib

from selfalign.storage.rows import content_hash
from selfalign_training.configuration.training_config import TrainingConfig

# Where a job ran is no part of what it was.
NO_PART_OF_THE_RESULT = frozenset({"work_dir", "metrics_port", "report_to"})
# What may change between two starts of the same job without making its checkpoints useless.
NO_PART_OF_THE_JOB = frozenset(
    {
        "work_dir",
        "metrics_port",
        "fingerprint",
        # Which sequences make up a step follows from the global batch size alone.
        "micro_batch_size",
        "save_steps",
        "keep_last",
        "logging_steps",
        "log_samples",
        "process_group_timeout_s",
        "report_to",
    }
)


def config_digest(config: TrainingConfig) -> str:
    """16 hex digits over the resolved configuration, for the training card."""
    text = config.canonical_json(without=NO_PART_OF_THE_RESULT)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def settings_digest(config: TrainingConfig) -> str:
    """Names the settings that must be the same on all nodes."""
    return content_hash(config.canonical_json(without=NO_PART_OF_THE_JOB))


def job_key(config: TrainingConfig, data_digest: str) -> str:
    """Names what a checkpoint belongs to: the settings that matter, and the data."""
    return content_hash(config.canonical_json(without=NO_PART_OF_THE_JOB), data_digest)
