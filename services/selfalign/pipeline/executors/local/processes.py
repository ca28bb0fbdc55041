"""Child processes that never outlive their parent, with logs and JSON-line events."""

import contextlib
import ctypes
import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from selfalign.events import EventSink, parse

PR_SET_PDEATHSIG = 1
STOP_GRACE_S = 15.0


@dataclass(slots=True)
class Child:
    """A process whose stdout carries JSON-line events and whose stderr goes to a log file."""

    name: str
    command: Sequence[str]
    log: Path
    on_event: EventSink = lambda event: None
    _process: "subprocess.Popen[str] | None" = None
    _reader: threading.Thread | None = None
    _tail: deque[str] = field(default_factory=lambda: deque(maxlen=20))

    def start(self) -> None:
        """Starts the process in a session of its own, so that ctrl-C reaches the parent alone."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with_parent,
                text=True,
            )
        assert self._process.stdout is not None
        self._reader = threading.Thread(
            target=self._read, args=(self._process.stdout,), name=f"read-{self.name}", daemon=True
        )
        self._reader.start()

    def poll(self) -> int | None:
        """The exit code, or None while it runs."""
        assert self._process is not None
        return self._process.poll()

    def wait(self) -> int:
        """Waits for the end and for the last event."""
        assert self._process is not None
        assert self._reader is not None
        code = self._process.wait()
        self._reader.join(timeout=5)
        return code

    def stop(self) -> None:
        """SIGTERM to the whole group, SIGKILL to what is left of it after a grace."""
        if self._process is None:
            return
        self._signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_GRACE_S)
        self._signal(signal.SIGKILL)
        self._process.wait()

    def log_tail(self) -> str:
        """The last lines of the log: what a person needs to see first."""
        try:
            lines = self.log.read_text(errors="replace").splitlines()
        except OSError:
            lines = []
        return "\n".join([*self._tail, *lines][-12:])

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            return

    def _read(self, stream: IO[str]) -> None:
        with stream, self.log.open("a") as log:
            for line in stream:
                if (event := parse(line)) is not None:
                    self.on_event(event)
                    continue
                self._tail.append(line.rstrip())
                log.write(line)
                log.flush()


def die_with_parent() -> None:
    """Asks Linux to end this process when its parent dies, by kill -9 too."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
