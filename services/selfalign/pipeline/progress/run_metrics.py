"""Metrics of a run, as its runner knows them: the state of every stage, from the run's events."""

import math
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Gauge

from selfalign.events import Event, StageDone, StageKept
from selfalign.pipeline.progress.stage_progress import STATUSES, StageProgress

STATES = {"waiting": 0, "running": 1, "done": 2, "kept": 2}


class RunMetrics:
    """Gauges of one run; a resumed run shows the stages that it keeps from the first event on."""

    def __init__(self, run: str, profile: str, stages: Iterable[str]) -> None:
        self.registry = CollectorRegistry()
        self._stages: dict[str, StageProgress] = {stage: StageProgress() for stage in stages}
        gauge = self._gauge
        info = gauge("selfalign_run_info", "The run that this process walks.", "run", "profile")
        info.labels(run, profile).set(1)
        self._state = gauge(
            "selfalign_stage_state", "0 waiting, 1 running, 2 done (or kept).", "stage"
        )
        self._rows = gauge("selfalign_stage_rows", "Rows by status.", "stage", "status")
        self._expected = gauge(
            "selfalign_stage_rows_expected", "Rows that the running workers are to make.", "stage"
        )
        self._reasons = gauge(
            "selfalign_stage_reason_rows",
            "Rows of a finished stage that were rejected or failed, by reason.",
            "stage",
            "reason",
        )
        self._tokens = gauge("selfalign_stage_tokens", "Tokens generated so far.", "stage")
        seconds = gauge("selfalign_stage_seconds", "Time of the stage so far, or whole.", "stage")
        left = gauge(
            "selfalign_stage_seconds_left",
            "Time left at its speed so far; NaN if unknown.",
            "stage",
        )
        for stage, progress in self._stages.items():
            self._state.labels(stage).set(0)
            seconds.labels(stage).set_function(_reader(lambda p: p.elapsed, progress))
            left.labels(stage).set_function(_reader(lambda p: p.seconds_left, progress))

    def show(self, event: Event) -> None:
        """Takes an event of the run in."""
        progress = self._stages.get(event.stage)
        if progress is None:
            return
        progress.take(event)
        self._state.labels(event.stage).set(STATES[progress.state])
        fields = progress.fields
        for status in STATUSES:
            if status in fields:
                self._rows.labels(event.stage, status).set(fields[status])
        if fields.get("total"):
            self._expected.labels(event.stage).set(fields["total"])
        if "tokens" in fields:
            self._tokens.labels(event.stage).set(fields["tokens"])
        if isinstance(event, StageDone | StageKept):
            for reason, rows in (event.reasons or {}).items():
                self._reasons.labels(event.stage, reason).set(rows)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, registry=self.registry)


def _reader(
    read: Callable[[StageProgress], float | None], progress: StageProgress
) -> Callable[[], float]:
    def value() -> float:
        seconds = read(progress)
        return math.nan if seconds is None else seconds

    return value
