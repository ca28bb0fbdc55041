"""This process's libraries and its group: set up once, before anything is loaded."""

import ctypes
import logging
import os
import warnings
from datetime import timedelta
from typing import Any

import deepspeed
import torch
import torch.distributed as dist

from selfalign_training.config import TrainingConfig

# malloc.h
M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3


def exchange(value: Any) -> list[Any]:  # noqa: ANN401
    """Gives every rank what all ranks gave, in the order of the ranks."""
    if not dist.is_initialized():
        return [value]
    found: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(found, value)
    return found


def start_process_group(config: TrainingConfig, *, cuda: bool) -> None:
    """Starts DeepSpeed's communication, which ZeRO-3 needs before the model is loaded."""
    if cuda:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    deepspeed.init_distributed(
        dist_backend="nccl" if cuda else "gloo",
        timeout=timedelta(seconds=config.process_group_timeout_s),
        verbose=False,
    )


def quiet_third_parties(*, cuda: bool) -> None:
    """Warnings and errors only; no kernel is compiled for gathering a few MB between CPUs."""
    logging.getLogger("DeepSpeed").setLevel(logging.WARNING)
    # It remarks that accumulation is DeepSpeed's affair, which is as it should be.
    logging.getLogger("accelerate").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=FutureWarning)
    if not cuda:
        # Compiling it takes 90 s and more; gloo gives the same losses without it.
        deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False


def keep_freed_memory() -> None:
    """Has glibc keep large blocks for the next step instead of giving them back to Linux.

    On CPU the page faults of logits and activations are a third of a step's time otherwise.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, 1 << 30)
        mallopt(M_TRIM_THRESHOLD, 1 << 30)
