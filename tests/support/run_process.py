"""`selfalign run` as a real process tree, and killing all of it at once."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil

REPOSITORY = Path(__file__).resolve().parents[2]


class RunProcess:
    """One `selfalign run`, with its JSON-line events as they come."""

    def __init__(self, arguments: Sequence[str], folder: Path) -> None:
        self.stderr_path = folder / "stderr.txt"
        self._stderr = self.stderr_path.open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "selfalign.cli", "run", *arguments],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
        )
        self.events: list[dict[str, Any]] = []

    def follow(self) -> Iterator[dict[str, Any]]:
        """Events until the process ends its output."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            event = json.loads(line)
            self.events.append(event)
            yield event

    def finish(self) -> int:
        """Reads on to the end; returns the exit code."""
        for _ in self.follow():
            continue
        code = self.process.wait()
        self._close()
        return code

    def kill_tree_when(
        self, moment: Callable[[dict[str, Any]], bool], delay_s: float = 0.0
    ) -> bool:
        """SIGKILLs the runner and all its descendants; False if it ended before the moment."""
        for event in self.follow():
            if moment(event):
                time.sleep(delay_s)
                self.kill_tree()
                return True
        self.process.wait()
        self._close()
        return False

    def kill_tree(self) -> None:
        """Every process of the tree at once, none of which can tidy up."""
        root = psutil.Process(self.process.pid)
        tree = [root, *root.children(recursive=True)]
        for process in tree:
            process.suspend()
        for process in tree:
            process.kill()
        psutil.wait_procs(tree, timeout=10)
        self.process.wait()
        self._close()

    def _close(self) -> None:
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._stderr.close()
