"""How far one stage is, from the events of the run: for displays and for metrics."""

import time
from dataclasses import dataclass, field
from typing import Any, Literal

from selfalign.pipeline.progress import ProgressEvent

State = Literal["waiting", "running", "done", "kept"]
COUNTS = ("total", "accepted", "rejected", "failed", "tokens")
STATUSES = ("accepted", "rejected", "failed")


@dataclass(slots=True)
class StageProgress:
    """What is known of one stage."""

    state: State = "waiting"
    fields: dict[str, Any] = field(default_factory=dict)
    """Counts over all workers, or what the trainer said last."""
    _started: float = 0.0
    _seconds: float | None = None
    _workers: dict[int, dict[str, Any]] = field(default_factory=dict)

    def take(self, event: ProgressEvent) -> None:
        """Moves on by one event."""
        match event.kind:
            case "stage_started":
                self.state, self._started = "running", time.monotonic()
            case "rows":
                self._workers[event.fields.get("worker", 0)] = event.fields
                for key in COUNTS:
                    self.fields[key] = sum(told.get(key, 0) for told in self._workers.values())
            case "step":
                self.fields |= event.fields
            case "stage_done" | "stage_kept":
                self.state = "done" if event.kind == "stage_done" else "kept"
                self._seconds = event.fields.get("seconds")
                self.fields |= event.fields

    @property
    def elapsed(self) -> float | None:
        """Seconds so far, or of the whole stage; None where it is not known."""
        if self._seconds is None and self.state == "running":
            return time.monotonic() - self._started
        return self._seconds

    @property
    def seconds_left(self) -> float | None:
        """At the speed so far; None where there is nothing to tell it from."""
        elapsed = self.elapsed
        if self.state != "running" or not elapsed:
            return None
        done = sum(self.fields.get(key, 0) for key in STATUSES)
        total = self.fields.get("total", 0)
        if "steps" in self.fields:
            done, total = self.fields.get("step", 0), self.fields["steps"]
        return elapsed * (total - done) / done if 0 < done < total else None
