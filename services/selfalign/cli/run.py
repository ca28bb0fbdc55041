"""`selfalign run`: all stages of a run, or the rest of one that was stopped."""

import signal
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
import yaml

from selfalign.cli.display import make_display
from selfalign.errors import ConfigError, Interrupted
from selfalign.events import Event, EventSink, Note, ResultPlace, Verdict
from selfalign.pipeline.executors.register import make_executor
from selfalign.pipeline.progress.run_metrics import RunMetrics
from selfalign.pipeline.run.config import RunConfig
from selfalign.pipeline.run.run_file import load_run_config
from selfalign.pipeline.runner.preflight import check_stages, prepare
from selfalign.pipeline.runner.reuse import reuse_stages
from selfalign.pipeline.runner.runner import Runner
from selfalign.pipeline.runner.verify import refuse_faults
from selfalign.pipeline.stages import evaluate
from selfalign.pipeline.stages import register as stages
from selfalign.pipeline.stages.kinds.stage import Stage
from selfalign.storage.open import open_store
from selfalign.telemetry.exporter import serving_metrics

HELP = f"""Runs {", ".join(stages.NAMES)}, each once.

Stop it any time (ctrl-C, or harder): the same command goes on where it was. Finished stages are
kept as they are; a run never mixes rows that were made with different settings."""


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("run", help=HELP)(run_command)


def run_command(
    file: Annotated[Path, typer.Option("--file", "-f", help="The run's YAML file.")],
    name: Annotated[str | None, typer.Option(help="Another name than the file's.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="Override a setting: prompts.count=40 (repeatable)."),
    ] = None,
    until: Annotated[
        str, typer.Option(help="Stop after this stage; after a training with the evaluation.")
    ] = stages.NAMES[-1],
    reuse: Annotated[
        str | None, typer.Option(help="Take over the unchanged stages of this earlier run.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="JSON lines, also on a terminal.")] = False,
    metrics_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Prometheus metrics; off by default.")
    ] = None,
) -> None:
    """See HELP."""
    walked = stages.stages_until(stages.find_stage(until, "--until"))
    names = [stage.name for stage in walked]
    overrides = parse_overrides(set_ or []) | ({"name": name} if name else {})
    config = load_run_config(file, overrides)
    signal.signal(signal.SIGTERM, _interrupt)
    metrics = RunMetrics(config.name, config.profile, names)
    display = make_display(config.name, names, plain=json)

    def show(event: Event) -> None:
        metrics.show(event)
        display.show(event)

    with serving_metrics(metrics_port, metrics.registry), display:
        try:
            _run(config, walked, reuse, show)
        except KeyboardInterrupt as stop:
            raise Interrupted("stopped; run the same command again to go on") from stop


def _run(config: RunConfig, walked: Sequence[Stage], reuse: str | None, show: EventSink) -> None:
    run = prepare(open_store(config.store), config)
    if reuse:
        for name in reuse_stages(run, reuse):
            show(Note(stage=name, text=f"taken over from run {reuse}"))
    executor = make_executor(run, show)
    try:
        check_stages(run, executor, walked)
        Runner(run, executor, show).walk(walked)
    finally:
        executor.close()
    checks = refuse_faults(run)
    show(Note(stage=walked[-1].name, text=f"verified: {checks} checks, no fault"))
    if walked[-1] is stages.STAGES[-1]:
        for stage, label, name in stages.results_of(walked):
            path = f"{run.store.url}/{run.prefix(stage.name)}/{name}".rstrip("/")
            show(ResultPlace(label=label, path=path))
        for line in evaluate.STAGE.verdict(run):
            show(Verdict(stage=evaluate.STAGE.name, text=line))


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
