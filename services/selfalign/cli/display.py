"""Progress for people (a live table on a terminal) and for logs (JSON lines otherwise)."""

import json
import sys
import time
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from selfalign.pipeline.progress import ProgressEvent
from selfalign.storage.stages import STAGES


def make_display(name: str, *, plain: bool) -> "LiveDisplay | JsonDisplay":
    """Live on a terminal, JSON lines elsewhere or where asked for."""
    console = Console()
    return JsonDisplay() if plain or not console.is_terminal else LiveDisplay(name, console)


class JsonDisplay(AbstractContextManager["JsonDisplay"]):
    """One JSON object a line on stdout; row counts at most once a second."""

    def __init__(self) -> None:
        self._last_rows = 0.0

    def show(self, event: ProgressEvent) -> None:
        if event.kind == "rows":
            now = time.monotonic()
            if now - self._last_rows < 1.0:
                return
            self._last_rows = now
        line = {"time": round(time.time(), 3), "event": event.kind, "stage": event.stage}
        print(json.dumps({**line, **event.fields}, default=str), flush=True)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        sys.stdout.flush()


class StageLine:
    """What the live table shows of one stage."""

    def __init__(self) -> None:
        self.state = "waiting"
        self.started = 0.0
        self.seconds: float | None = None
        self.fields: dict[str, Any] = {}
        self.workers: dict[int, dict[str, Any]] = {}

    def take(self, event: ProgressEvent) -> None:
        """Moves on by one event."""
        match event.kind:
            case "stage_started":
                self.state, self.started = "running", time.monotonic()
            case "rows":
                self.workers[event.fields.get("worker", 0)] = event.fields
                keys = ("total", "accepted", "rejected", "failed", "tokens")
                for key in keys:
                    values = [fields.get(key, 0) for fields in self.workers.values()]
                    self.fields[key] = sum(values)
            case "step":
                self.fields |= event.fields
            case "stage_done" | "stage_kept":
                self.state = "done" if event.kind == "stage_done" else "kept"
                self.seconds = event.fields.get("seconds")
                self.fields |= event.fields

    def cells(self) -> tuple[str, ...]:
        """state, accepted, rejected, failed, speed, time, time left."""
        elapsed = self.seconds
        if elapsed is None and self.state == "running":
            elapsed = time.monotonic() - self.started
        get = self.fields.get
        return (
            self.state,
            *(str(get(key, "")) for key in ("accepted", "rejected", "failed")),
            self._speed(elapsed),
            "" if elapsed is None else f"{elapsed:.0f} s",
            self._left(elapsed),
        )

    def _speed(self, elapsed: float | None) -> str:
        if "loss" in self.fields and self.fields.get("steps"):
            return (
                f"step {self.fields['step']}/{self.fields['steps']} loss {self.fields['loss']:.3f}"
            )
        tokens = self.fields.get("tokens", 0)
        return f"{tokens / elapsed:.0f} tokens/s" if tokens and elapsed else ""

    def _left(self, elapsed: float | None) -> str:
        if self.state != "running" or not elapsed:
            return ""
        done = sum(self.fields.get(key, 0) for key in ("accepted", "rejected", "failed"))
        total = self.fields.get("total", 0)
        if "steps" in self.fields:
            done, total = self.fields.get("step", 0), self.fields["steps"]
        return f"~{elapsed * (total - done) / done:.0f} s" if 0 < done < total else ""


class LiveDisplay(AbstractContextManager["LiveDisplay"]):
    """A table of the stages that redraws itself."""

    def __init__(self, name: str, console: Console) -> None:
        self._name = name
        self._console = console
        self._stages = {stage: StageLine() for stage in STAGES}
        self._live = Live(get_renderable=self._table, console=console, refresh_per_second=4)

    def show(self, event: ProgressEvent) -> None:
        if event.kind == "result":
            self._live.console.print(f"{event.fields['label']:>10}  {event.fields['path']}")
        elif event.kind == "note":
            # The training job calls it `message`.
            text = event.fields.get("text", event.fields.get("message", ""))
            self._live.console.print(f"{event.stage}: {text}", style="dim")
        elif event.stage in self._stages:
            self._stages[event.stage].take(event)

    def _table(self) -> Table:
        table = Table(title=f"run {self._name}")
        for column in ("stage", "", "accepted", "rejected", "failed", "speed", "time", "left"):
            table.add_column(column, justify="left" if column in ("stage", "") else "right")
        for stage, line in self._stages.items():
            table.add_row(stage, *line.cells())
        return table

    def __enter__(self) -> "LiveDisplay":
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()
