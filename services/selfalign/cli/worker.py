"""`selfalign worker`: one stage worker, as the executors start it."""

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from selfalign.errors import ConfigError
from selfalign.pipeline.load import load_run_config
from selfalign.pipeline.progress import RowCounts
from selfalign.pipeline.row_metrics import RowMetrics
from selfalign.pipeline.run import Run
from selfalign.pipeline.worker import Assignment, Worker
from selfalign.rpc.channel import ChannelSettings
from selfalign.settings.options import with_options
from selfalign.settings.ports import MetricsSettings
from selfalign.storage.open import open_store
from selfalign.storage.stages import TABLE_STAGES
from selfalign.telemetry.exporter import serving_metrics
from selfalign.telemetry.logs import setup_logging

REPORT_EVERY_S = 0.5
TABLES = ", ".join(TABLE_STAGES)


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("worker")(with_options(worker_command))


def worker_command(
    config: Annotated[Path, typer.Option(help="The run's resolved run.yaml.")],
    stage: Annotated[str, typer.Option(help=f"The stage to work on: {TABLES}.")],
    assignment: Assignment,
    channel: ChannelSettings,
    exporter: MetricsSettings,
) -> None:
    """Does the units of a stage whose number is INDEX modulo COUNT and that have no part yet."""
    if stage not in TABLE_STAGES:
        raise ConfigError(f"--stage: {stage!r}; expected one of {TABLES}")
    setup_logging()
    settings = load_run_config(config)
    run = Run(open_store(settings.store), settings)
    metrics = RowMetrics(assignment.stage)
    worker = Worker(run, assignment, channel, _reporter(), metrics.count)
    with serving_metrics(exporter.metrics_port, metrics.registry):
        counts = asyncio.run(worker.work())
    _emit("rows", counts.as_fields())


def _reporter() -> Callable[[RowCounts], None]:
    last = 0.0

    def report(counts: RowCounts) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= REPORT_EVERY_S:
            last = now
            _emit("rows", counts.as_fields())

    return report


def _emit(kind: str, fields: dict[str, Any]) -> None:
    print(json.dumps({"event": kind, **fields}), flush=True)
