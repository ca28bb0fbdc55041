"""Two machines of a training job: network namespaces joined by a cable, a folder for each."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from support.training_job import kill, rank_pids

NETWORK = "10.213.7"
PORT = 29500
OnStep = Callable[[int], None]


class NoNamespaces(Exception):
    """Network namespaces cannot be made here."""


@contextmanager
def joined_namespaces() -> Iterator[list[str]]:
    """Names of two namespaces that reach each other at 10.213.7.1 and .2, and nothing else."""
    names = [f"selfalign-{os.getpid()}-{number}" for number in (0, 1)]
    cable = [f"sa{os.getpid()}n{number}" for number in (0, 1)]
    try:
        for name in names:
            _ip("netns", "add", name)
        _ip("link", "add", cable[0], "type", "veth", "peer", "name", cable[1])
        for number, (name, end) in enumerate(zip(names, cable, strict=True)):
            _ip("link", "set", end, "netns", name)
            _ip("-n", name, "address", "add", f"{NETWORK}.{number + 1}/24", "dev", end)
            for link in ("lo", end):
                _ip("-n", name, "link", "set", link, "up")
        yield names
    finally:
        for name in names:
            with contextlib.suppress(NoNamespaces):
                _ip("netns", "del", name)


def _ip(*arguments: str) -> None:
    tool = shutil.which("ip") or "/usr/sbin/ip"
    try:
        done = subprocess.run([tool, *arguments], capture_output=True, text=True, check=False)
    except OSError as error:
        raise NoNamespaces(f"ip: {error}") from error
    if done.returncode:
        raise NoNamespaces(f"ip {' '.join(arguments)}: {done.stderr.strip()}")


@dataclass
class NodeProcess:
    """`python -m selfalign_training node CONFIG` on one machine."""

    process: subprocess.Popen[str]
    errors: Path
    on_step: OnStep | None = None
    events: list[dict[str, Any]] = field(default_factory=list)
    ranks_seen: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if not line.startswith("{"):
                continue
            event = json.loads(line)
            self.events.append(event)
            if event["event"] == "step":
                self.ranks_seen |= set(rank_pids(self.process.pid))
                if self.on_step is not None:
                    self.on_step(event["step"])

    def wait(self, seconds: float) -> int:
        code = self.process.wait(seconds)
        self._reader.join(10)
        return code

    def terminate(self) -> None:
        kill(self.process.pid, signal.SIGTERM)

    def kill_rank(self) -> None:
        kill(rank_pids(self.process.pid)[0], signal.SIGKILL)

    def close(self) -> None:
        """Ends what still runs: the ranks end with their launcher."""
        kill(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()

    @property
    def stderr(self) -> str:
        return self.errors.read_text()

    @property
    def survivors(self) -> list[int]:
        """Ranks that were seen and still run."""
        return [pid for pid in self.ranks_seen if psutil.pid_exists(pid)]


@contextmanager
def two_nodes(
    config: Path, folder: Path, namespaces: list[str], *, on_step: OnStep | None = None
) -> Iterator[tuple[NodeProcess, NodeProcess]]:
    """The job's two nodes, each in `folder`/<number>, one rank each; gone afterwards."""
    nodes: list[NodeProcess] = []
    tool = shutil.which("ip") or "/usr/sbin/ip"
    try:
        for number, name in enumerate(namespaces):
            place = folder / str(number)
            place.mkdir(exist_ok=True)
            errors = place / "stderr.log"
            environment = {
                "NNODES": "2",
                "NODE_RANK": str(number),
                "NPROC_PER_NODE": "1",
                "MASTER_ADDR": f"{NETWORK}.1",
                "MASTER_PORT": str(PORT),
                "OMP_NUM_THREADS": "1",
                "RENDEZVOUS_TIMEOUT_S": "120",
            }
            command = [tool, "netns", "exec", name, sys.executable]
            with errors.open("w") as log:
                process = subprocess.Popen(
                    [*command, "-m", "selfalign_training", "node", str(config)],
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                    cwd=place,
                    start_new_session=True,
                    env=os.environ | environment,
                )
            nodes.append(NodeProcess(process, errors, on_step if number == 0 else None))
        yield nodes[0], nodes[1]
    finally:
        for node in nodes:
            node.close()


def seconds_until(condition: Callable[[], bool], limit: float) -> float:
    """How long it took until a condition held; fails after the limit."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < limit, f"not within {limit} s"
        time.sleep(0.1)
    return time.monotonic() - began
