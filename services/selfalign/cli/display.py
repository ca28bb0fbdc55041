"""Progress for people (a live table on a terminal) and for logs (JSON lines otherwise)."""

import json
import sys
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from selfalign.cli.terminal import printable
from selfalign.events import Event, Note, ResultPlace, Rows, Verdict, as_fields
from selfalign.pipeline.progress.stage_progress import STATUSES, StageProgress


def make_display(name: str, stages: Iterable[str], *, plain: bool) -> "LiveDisplay | JsonDisplay":
    """Live on a terminal, JSON lines elsewhere or where asked for."""
    console = Console()
    return JsonDisplay() if plain or not console.is_terminal else LiveDisplay(name, stages, console)


class JsonDisplay(AbstractContextManager["JsonDisplay"]):
    """One JSON object a line on stdout; row counts at most once a second."""

    def __init__(self) -> None:
        self._last_rows = 0.0

    def show(self, event: Event) -> None:
        if isinstance(event, Rows):
            now = time.monotonic()
            if now - self._last_rows < 1.0:
                return
            self._last_rows = now
        line = {"time": round(time.time(), 3), "event": event.event, "stage": event.stage}
        print(json.dumps({**line, **as_fields(event)}), flush=True)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        sys.stdout.flush()


def stage_cells(progress: StageProgress) -> tuple[str, ...]:
    """state, accepted, rejected, failed, speed, time, time left."""
    elapsed, left = progress.elapsed, progress.seconds_left
    return (
        progress.state,
        *(str(progress.fields.get(key, "")) for key in STATUSES),
        _speed(progress.fields, elapsed),
        "" if elapsed is None else f"{elapsed:.0f} s",
        "" if left is None else f"~{left:.0f} s",
    )


def _speed(fields: dict[str, Any], elapsed: float | None) -> str:
    if "loss" in fields and fields.get("steps"):
        return f"step {fields['step']}/{fields['steps']} loss {fields['loss']:.3f}"
    tokens = fields.get("tokens", 0)
    return f"{tokens / elapsed:.0f} tokens/s" if tokens and elapsed else ""


class LiveDisplay(AbstractContextManager["LiveDisplay"]):
    """A table of the stages that redraws itself."""

    def __init__(self, name: str, stages: Iterable[str], console: Console) -> None:
        self._name = name
        self._console = console
        self._stages = {stage: StageProgress() for stage in stages}
        self._live = Live(get_renderable=self._table, console=console, refresh_per_second=4)

    def show(self, event: Event) -> None:
        if isinstance(event, ResultPlace):
            self._print(f"{event.label:>10}  {event.path}")
        elif isinstance(event, Verdict):
            self._print(event.text)
        elif isinstance(event, Note):
            self._print(f"{event.stage}: {event.text}", style="dim")
        elif event.stage in self._stages:
            self._stages[event.stage].take(event)

    def _print(self, text: str, style: str | None = None) -> None:
        # Addresses and notes are other people's text, in which [/b] is no mark-up.
        self._live.console.print(printable(text), style=style, markup=False, highlight=False)

    def _table(self) -> Table:
        table = Table(title=f"run {self._name}")
        for column in ("stage", "", "accepted", "rejected", "failed", "speed", "time", "left"):
            table.add_column(column, justify="left" if column in ("stage", "") else "right")
        for stage, progress in self._stages.items():
            table.add_row(stage, *stage_cells(progress))
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
