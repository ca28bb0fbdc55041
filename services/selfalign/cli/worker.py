"""`selfalign worker`: one stage worker, as the executors start it."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from selfalign.errors import ConfigError
from selfalign.events import emit
from selfalign.pipeline.progress.row_counts import RowCounts
from selfalign.pipeline.progress.row_metrics import RowMetrics
from selfalign.pipeline.run.run import Run
from selfalign.pipeline.run.run_file import load_run_config
from selfalign.pipeline.stages.register import TABLES, find_table
from selfalign.pipeline.units.assignment import Assignment
from selfalign.pipeline.worker.worker import Worker
from selfalign.rpc.channel import ChannelSettings
from selfalign.storage.open import open_store
from selfalign.telemetry.exporter import serving_metrics
from selfalign.telemetry.logs import setup_logging

REPORT_EVERY_S = 0.5
TABLE_NAMES = ", ".join(table.name for table in TABLES)


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("worker")(worker_command)


def worker_command(
    config: Annotated[Path, typer.Option(help="The resolved run.yaml.")],
    stage: Annotated[str, typer.Option(help=f"One of {TABLE_NAMES}.")],
    target: Annotated[str, typer.Option(help="host:port of the stage's service.")],
    index: Annotated[int, typer.Option(min=0, help="This worker's number.")] = 0,
    count: Annotated[int, typer.Option(min=1, help="How many workers share the stage.")] = 1,
    attempt: Annotated[int, typer.Option(min=1, help="Try of failed rows; round.")] = 1,
    tls_ca: Annotated[
        Path | None, typer.Option(help="CA of the service's certificate; set, TLS is used.")
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="Our own certificate (mTLS).")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its key.")] = None,
    tls_server_name: Annotated[
        str | None, typer.Option(help="Name in the service's certificate, if not the target's.")
    ] = None,
    token_file: Annotated[Path | None, typer.Option(help="File with the bearer token.")] = None,
    metrics_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Prometheus metrics; off by default.")
    ] = None,
) -> None:
    """Does the units of a stage whose number is INDEX modulo COUNT and that have no part yet."""
    chosen = find_table(stage, "--stage")
    if index >= count:
        raise ConfigError(f"--index: {index} is not below --count {count}")
    setup_logging()
    settings = load_run_config(config)
    run = Run(open_store(settings.store), settings)
    assignment = Assignment(chosen.name, index, count, attempt)
    channel = ChannelSettings(
        target=target,
        tls_ca=tls_ca,
        tls_cert=tls_cert,
        tls_key=tls_key,
        tls_server_name=tls_server_name,
        token_file=token_file,
    )
    metrics = RowMetrics(chosen.name)
    worker = Worker(run, chosen, assignment, channel, _reporter(), metrics.count)
    with serving_metrics(metrics_port, metrics.registry):
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
