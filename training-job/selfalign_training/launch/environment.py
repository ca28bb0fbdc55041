"""What must be set for a process before its libraries are imported, and how it ends."""

import ctypes
import os
import signal
import socket
import sys
from typing import NoReturn

PR_SET_PDEATHSIG = 1
# malloc.h
M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
GRACE_S = 600
"""How long ranks have between SIGTERM and SIGKILL, unless the environment says otherwise."""


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


def choose_accelerator() -> None:
    """Tells DeepSpeed, before it is imported, what it would otherwise guess with a warning."""
    import torch

    if not torch.cuda.is_available():
        os.environ.setdefault("DS_ACCELERATOR", "cpu")


def stand_alone() -> None:
    """Gives a process without torchrun the rendezvous that DeepSpeed asks for."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    os.environ |= {
        "RANK": "0",
        "LOCAL_RANK": "0",
        "WORLD_SIZE": "1",
        "LOCAL_WORLD_SIZE": "1",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }


def share_cores(ranks: int) -> None:
    """Divides the CPU cores among this node's ranks, unless OMP_NUM_THREADS is set."""
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores() // ranks)))


def cores() -> int:
    """CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def keep_freed_memory() -> None:
    """Has glibc keep large blocks for the next step instead of giving them back to Linux.

    On CPU the page faults of logits and activations are a third of a step's time otherwise.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, 1 << 30)
        mallopt(M_TRIM_THRESHOLD, 1 << 30)


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


def leave(code: int) -> NoReturn:
    """Ends a rank without the interpreter's teardown.

    Threads of gloo and DeepSpeed that still run then abort the process now and then ("terminate
    called without an active exception"), after its work is done, and torchrun would end the other
    ranks in the middle of their export.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
