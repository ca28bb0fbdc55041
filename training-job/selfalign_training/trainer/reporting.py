"""What rank 0 opens to report on a job: its log of steps, its metrics, its events."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from selfalign.events import Note, emit
from selfalign_training.checkpoints.restore import Checkpoint
from selfalign_training.report.metrics_log import METRICS, MetricsLog
from selfalign_training.report.mfu import find_peak
from selfalign_training.report.prometheus import Exporter
from selfalign_training.trainer.job import Job
from selfalign_training.trainer.step_report import ProgressCallback


@dataclass(frozen=True, slots=True)
class Reporting:
    """The log of steps, and the callback that fills it and reports besides."""

    log: MetricsLog
    progress: ProgressCallback


def open_reporting(job: Job, checkpoint: Checkpoint | None, counts: Mapping[str, int]) -> Reporting:
    """Opens the log, and the metrics' port where the job asks for one.

    Args:
        job: Rank 0's.
        checkpoint: The one that training goes on from.
        counts: What became of the rows, see data.counts.

    Raises:
        PortInUse: `metrics_port` is taken.
    """
    log = _open_log(job, checkpoint)
    port = job.config.metrics_port
    exporter = None if port is None else Exporter(port)
    if exporter is not None:
        exporter.show_rows(counts)
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    tokens_per_row = counts["tokens"] / counts["sequences"]
    peak = find_peak(job.config, gpu, job.plan.ranks, tokens_per_row)
    return Reporting(log, ProgressCallback(log, exporter, peak))


def _open_log(job: Job, checkpoint: Checkpoint | None) -> MetricsLog:
    """The metrics log, which goes on where the checkpoint was written."""
    path = job.folder / METRICS
    step = checkpoint.step if checkpoint else 0
    if checkpoint:
        ranks = f", written by {checkpoint.world_size} ranks"
        other = checkpoint.world_size != job.place.world_size
        message = f"going on from the checkpoint of step {step}{ranks if other else ''}"
        emit(Note(text=message))
        # A fresh disk has none, and an old one may know of later steps.
        shutil.copyfile(checkpoint.folder / METRICS, path)
    return MetricsLog(path, job.store, f"{job.config.output.prefix}/{METRICS}", step)
