"""This process's place in the job, as torchrun tells it through the environment."""

import ctypes
import os
import signal
from dataclasses import dataclass
from pathlib import Path

from selfalign.errors import ConfigError

PR_SET_PDEATHSIG = 1
GRACE_S = 600
"""How long ranks have between SIGTERM and SIGKILL, unless the environment says otherwise."""


@dataclass(frozen=True, slots=True)
class Ranks:
    """Rank and world size; alone (rank 0 of 1) without torchrun."""

    rank: int = 0
    world_size: int = 1

    @property
    def first(self) -> bool:
        """Whether this rank does what only one may do: write and report."""
        return self.rank == 0


def read_ranks() -> Ranks:
    """Reads RANK and WORLD_SIZE. Raises ConfigError where they make no sense."""
    try:
        ranks = Ranks(int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1")))
    except ValueError as error:
        raise ConfigError(f"RANK and WORLD_SIZE must be whole numbers: {error}") from error
    if not 0 <= ranks.rank < ranks.world_size:
        raise ConfigError(
            f"RANK {ranks.rank} is not below WORLD_SIZE {ranks.world_size}; start the job with "
            "torchrun or `python -m selfalign_training launch`"
        )
    return ranks


def prepare_environment() -> None:
    """Sets what must stand in the environment before torch is imported; user values win.

    Idle OpenMP threads that spin cost six times the run time on a machine with other work.
    """
    defaults = {
        "OMP_WAIT_POLICY": "PASSIVE",
        "TOKENIZERS_PARALLELISM": "false",
        "TRANSFORMERS_VERBOSITY": "error",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
        # A collective that a dead peer keeps from ending ends the process, not only the wait.
        "TORCH_NCCL_ASYNC_ERROR_HANDLING": "1",
        "TORCH_NCCL_HEARTBEAT_TIMEOUT_SEC": "300",
        # torchrun's own 30 s after SIGTERM are too short for a step, a checkpoint and its upload.
        "TORCH_ELASTIC_SHUTDOWN_TIMEOUT": str(GRACE_S),
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)


def peer_lost(error: BaseException) -> bool:
    """Whether an error only says that another rank has gone, or did not answer in time.

    torch raises plain RuntimeErrors for gloo; a library that takes them for faults of its input
    would turn a fault that a retry mends into one that it does not.
    """
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(word in text for word in ("gloo", "nccl"))


def die_with_launcher() -> None:
    """Has Linux end this rank when torchrun is killed: it would live on in a session of its own.

    Not with SIGTERM: a checkpoint written by orphans could meet the next start of the job.
    """
    launcher = os.getppid()
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != launcher:
        os.kill(os.getpid(), signal.SIGKILL)


def cores() -> int:
    """CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def job_folder(work_dir: Path, key: str, node: int) -> Path:
    """Where a node keeps a job's files: nodes that share a disk must not share a folder."""
    return work_dir.absolute() / f"job-{key}-node-{node}"
