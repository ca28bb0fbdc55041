"""`selfalign run`: all stages of a run, or the rest of one that was stopped."""

import signal
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
import yaml

from selfalign.cli.display import make_display
from selfalign.errors import ConfigError, Interrupted
from selfalign.pipeline.config import RunConfig
from selfalign.pipeline.executors.base import Executor
from selfalign.pipeline.executors.local import LocalExecutor
from selfalign.pipeline.load import load_run_config
from selfalign.pipeline.progress import ProgressEvent, Report
from selfalign.pipeline.reuse import reuse_stages
from selfalign.pipeline.run import Run
from selfalign.pipeline.run_metrics import RunMetrics
from selfalign.pipeline.runner import Runner, check_training, prepare
from selfalign.storage.open import open_store
from selfalign.storage.stages import STAGES, StageName
from selfalign.telemetry.exporter import serving_metrics


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("run")(run_command)


def run_command(
    file: Annotated[Path, typer.Option("--file", "-f", help="The run's YAML file.")],
    name: Annotated[str | None, typer.Option(help="Another name than the file's.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="Override a setting: prompts.count=40 (repeatable)."),
    ] = None,
    until: Annotated[str, typer.Option(help="Stop after this stage.")] = STAGES[-1],
    reuse: Annotated[
        str | None, typer.Option(help="Take over the unchanged stages of this earlier run.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="JSON lines, also on a terminal.")] = False,
    metrics_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Prometheus metrics; off by default.")
    ] = None,
) -> None:
    """Runs topics, prompts, align, engrave, refine, distill and evaluate, each once.

    Stop it any time (ctrl-C, or harder): the same command goes on where it was. Finished stages
    are kept as they are; a run never mixes rows that were made with different settings.
    """
    last = next((stage for stage in STAGES if stage == until), None)
    if last is None:
        raise ConfigError(f"--until: {until!r} is no stage; expected one of {', '.join(STAGES)}")
    overrides = parse_overrides(set_ or []) | ({"name": name} if name else {})
    config = load_run_config(file, overrides)
    signal.signal(signal.SIGTERM, _interrupt)
    metrics = RunMetrics(config.name, config.profile)
    display = make_display(config.name, plain=json)

    def show(event: ProgressEvent) -> None:
        metrics.show(event)
        display.show(event)

    with serving_metrics(metrics_port, metrics.registry), display:
        try:
            _run(config, last, reuse, show)
        except KeyboardInterrupt as stop:
            raise Interrupted("stopped; run the same command again to go on") from stop


def _run(config: RunConfig, until: StageName, reuse: str | None, show: Report) -> None:
    run = prepare(open_store(config.store), config)
    if reuse:
        for stage in reuse_stages(run, reuse):
            show(ProgressEvent("note", stage, {"text": f"taken over from run {reuse}"}))
    executor = make_executor(run, show)
    try:
        if run.manifest("distill") is None:
            check_training(run, executor)
        Runner(run, executor, show).walk(until)
    finally:
        executor.close()
    if until == STAGES[-1]:
        prefix = f"{run.store.url}/{run.name}"
        for label, key in (
            ("report", "evaluate/report.html"),
            ("card", "evaluate/card.md"),
            ("adapter", "distill/adapter"),
            ("model", "distill/merged"),
            ("data set", "refine"),
        ):
            show(ProgressEvent("result", "", {"label": label, "path": f"{prefix}/{key}"}))


def make_executor(run: Run, show: Report) -> Executor:
    """The executor that the run's settings ask for."""
    if run.config.executor.kind == "local":
        return LocalExecutor(run)
    # Imported here: the client of Kubernetes takes most of a second.
    from selfalign.pipeline.executors.kubernetes.executor import KubernetesExecutor

    def note(subject: str, text: str) -> None:
        show(ProgressEvent("note", subject, {"text": text}))

    return KubernetesExecutor(run, note)


def parse_overrides(pairs: list[str]) -> dict[str, Any]:
    """["prompts.count=40"] -> {"prompts.count": 40}; values are YAML."""
    overrides = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator or not key:
            raise ConfigError(f"--set: {pair!r}; expected key=value, e.g. prompts.count=40")
        overrides[key] = yaml.safe_load(value)
    return overrides


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
