"""A model server as its own process, with its ready line read."""

import json
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import IO


class ModelServerProcess:
    """`with` starts it and waits until it listens; leaving ends it."""

    def __init__(self, folder: Path, *options: str, port: int = 0) -> None:
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed in finish
        command = [sys.executable, "-m", "selfalign.model_server", "--port", str(port)]
        self.process = subprocess.Popen(
            [*command, "--model", str(folder), *options],
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
        )
        self.ready_line = ""
        self.url = ""

    def __enter__(self) -> "ModelServerProcess":
        assert self.process.stdout is not None
        self.ready_line = self.process.stdout.readline()
        assert self.ready_line, self.stderr()
        self.url = f"http://{json.loads(self.ready_line)['address']}"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.finish()

    def terminate(self) -> None:
        """SIGTERM: it drains."""
        self.process.send_signal(signal.SIGTERM)

    def stderr(self) -> str:
        """What it logged so far."""
        self._stderr.seek(0)
        return self._stderr.read().decode()

    def finish(self) -> int:
        """Ends it, waits, returns the exit code."""
        if self.process.poll() is None:
            self.terminate()
        code = self.process.wait(timeout=60)
        if self.process.stdout is not None:
            self.process.stdout.close()
        self._stderr.close()
        return code
