"""`selfalign worker`: one stage worker, as the executors start it."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from selfalign.events import emit
from selfalign.options import with_options
from selfalign.pipeline.progress.row_counts import RowCounts
from selfalign.pipeline.progress.row_metrics import RowMetrics
from selfalign.pipeline.run.run import Run
from selfalign.pipeline.run.run_file import load_run_config
from selfalign.pipeline.stages.register import TABLES, find_table
from selfalign.pipeline.units.assignment import Assignment
from selfalign.pipeline.worker.worker import Worker
from selfalign.rpc.channel import ChannelSettings
from selfalign.settings.ports import MetricsSettings
from selfalign.storage.open import open_store
from selfalign.telemetry.exporter import serving_metrics
from selfalign.telemetry.logs import setup_logging

REPORT_EVERY_S = 0.5
TABLE_NAMES = ", ".join(table.name for table in TABLES)


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("worker")(with_options(worker_command))


def worker_command(
    config: Annotated[Path, typer.Option(help="The run's resolved run.yaml.")],
    stage: Annotated[str, typer.Option(help=f"The stage to work on: {TABLE_NAMES}.")],
    assignment: Assignment,
    channel: ChannelSettings,
    exporter: MetricsSettings,
) -> None:
    """Does the units of a stage whose number is INDEX modulo COUNT and that have no part yet."""
    chosen = find_table(stage, "--stage")
    setup_logging()
    settings = load_run_config(config)
    run = Run(open_store(settings.store), settings)
    metrics = RowMetrics(chosen.name)
    worker = Worker(run, chosen, assignment, channel, _reporter(), metrics.count)
    with serving_metrics(exporter.metrics_port, metrics.registry):
        counts = asyncio.run(worker.work())
    emit(counts.as_event())


def _reporter() -> Callable[[RowCounts], None]:
    last = 0.0

    def report(counts: RowCounts) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= REPORT_EVERY_S:
            last = now
            emit(counts.as_event())

    return report
