"""How far one stage is, from the events of the run: for displays and for metrics."""

import time
from dataclasses import dataclass, field
from typing import Any, Literal

from selfalign.events import Event, Rows, StageDone, StageKept, StageStarted, Step, as_fields

State = Literal["waiting", "running", "done", "kept"]
STATUSES = ("accepted", "rejected", "failed")
COUNTS = ("total", *STATUSES, "tokens")


@dataclass(slots=True)
class StageProgress:
    """What is known of one stage."""

    state: State = "waiting"
    fields: dict[str, Any] = field(default_factory=dict)
    """Counts over all workers, or the last step's figures."""
    _started: float = 0.0
    _seconds: float | None = None
    _workers: dict[int, Rows] = field(default_factory=dict)

    def take(self, event: Event) -> None:
        """Moves on by one event."""
        match event:
            case StageStarted():
                self.state, self._started = "running", time.monotonic()
            case Rows():
                self._workers[event.worker] = event
                for key in COUNTS:
                    self.fields[key] = sum(getattr(rows, key) for rows in self._workers.values())
            case Step():
                self.fields |= as_fields(event)
            case StageDone():
                self.state, self._seconds = "done", event.seconds
                self.fields |= as_fields(event)
            case StageKept():
                self.state = "kept"
                self.fields |= as_fields(event)
            case _:
                return

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
