"""A training job run as real processes under torchrun, and signals to its ranks."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import yaml

from selfalign.storage.open import open_store
from selfalign.storage.rows import RowStatus
from selfalign.storage.tables import read_rows


@dataclass
class Job:
    """A configuration file, its store, and the events of its runs."""

    folder: Path
    values: dict[str, Any]
    events: list[dict[str, Any]] = field(default_factory=list)
    stderr: str = ""

    @property
    def output(self) -> Path:
        return Path(self.values["output"]["store"], self.values["output"]["prefix"])

    @property
    def config(self) -> Path:
        path = self.folder / "config.yaml"
        path.write_text(yaml.safe_dump(self.values))
        return path

    def manifest(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads((self.output / "manifest.json").read_text())
        return loaded

    def metrics(self) -> list[dict[str, Any]]:
        text = (self.output / "metrics.jsonl").read_text()
        return [json.loads(line) for line in text.splitlines()]

    def checkpoint(self, step: int) -> Path:
        """A checkpoint's folder in the store."""
        (found,) = self.output.glob(f"checkpoints/*/step-{step:06d}")
        return found

    def checkpoints(self) -> list[int]:
        """The steps of the complete checkpoints in the store, oldest first."""
        manifests = self.output.glob("checkpoints/*/step-*/manifest.json")
        return sorted(json.loads(path.read_text())["step"] for path in manifests)

    def run(
        self, on_step: Callable[[int, subprocess.Popen[str]], None] | None = None, ranks: int = 2
    ) -> int:
        """Runs the job under torchrun; `on_step` may send signals. Returns the exit code."""
        options = ["launch", "--standalone", f"--nproc-per-node={ranks}"]
        return self._run([*options, str(self.config)], on_step)

    def run_alone(self) -> int:
        """Runs the job in one process without torchrun."""
        return self._run([str(self.config)], None)

    def _run(
        self, arguments: list[str], on_step: Callable[[int, subprocess.Popen[str]], None] | None
    ) -> int:
        self.events = []
        command = [sys.executable, "-m", "selfalign_training", *arguments]
        errors = self.folder / "stderr.log"
        with started(command, errors) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if not line.startswith("{"):
                    continue
                event = json.loads(line)
                self.events.append(event)
                if on_step is not None and event["event"] == "step":
                    on_step(event["step"], process)
            code = process.wait(60)
        self.stderr = errors.read_text()
        return code

    def losses(self) -> dict[int, float]:
        """The loss of each step that the last run told."""
        return {event["step"]: event["loss"] for event in self.events if event["event"] == "step"}


@contextmanager
def started(command: list[str], errors: Path) -> Iterator[subprocess.Popen[str]]:
    """A process group that is gone afterwards."""
    with errors.open("w") as log:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
    try:
        with process:
            yield process
    finally:
        # Its ranks, in sessions of their own, end with it.
        kill(process.pid, signal.SIGKILL)


def rank_pids(launcher: int) -> list[int]:
    """The processes of the ranks, in the order of their rank."""
    found = {}
    try:
        for child in psutil.Process(launcher).children():
            if rank := child.environ().get("RANK"):
                found[int(rank)] = child.pid
    except psutil.NoSuchProcess:
        pass
    return [found[rank] for rank in sorted(found)]


def kill(pid: int, number: signal.Signals) -> None:
    """Sends a signal to a process that may be gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def sending(
    step: int, number: signal.Signals, rank: int | None = None
) -> Callable[[int, subprocess.Popen[str]], None]:
    """For Job.run: at a step, sends a signal to a rank, or to the launcher."""

    def on_step(reached: int, process: subprocess.Popen[str]) -> None:
        if reached == step:
            kill(process.pid if rank is None else rank_pids(process.pid)[rank], number)

    return on_step


def epochs_of_samples(job: Job, steps_in_epoch: int) -> list[list[str]]:
    """The prompt ids that each epoch saw, sorted, by the logs of all ranks."""
    epochs: dict[int, list[str]] = {}
    for log in job.output.glob("samples-rank-*.jsonl"):
        for line in log.read_text().splitlines():
            record = json.loads(line)
            epoch = (record["step"] - 1) // steps_in_epoch
            epochs.setdefault(epoch, []).extend(record["prompt_ids"])
    return [sorted(epochs[epoch]) for epoch in sorted(epochs)]


def prompt_ids(job: Job) -> list[str]:
    """The prompts that the job trains on."""
    data = job.values["data"]
    table = read_rows(
        open_store(data["store"]),
        data["stage_prefix"],
        columns=("prompt_id", "answer"),
        status=RowStatus.ACCEPTED,
    )
    return [row["prompt_id"] for row in table.to_pylist() if row["answer"].strip()]


MakeJob = Callable[..., Job]
