"""This process's libraries and its group: set up once, before anything is loaded."""

import logging
import os
import warnings
from datetime import timedelta
from typing import TypeVar

import deepspeed
import torch
import torch.distributed as dist

Value = TypeVar("Value")


def exchange(value: Value) -> list[Value]:
    """Gives every rank what all ranks gave, in the order of the ranks."""
    if not dist.is_initialized():
        return [value]
    found = [value] * dist.get_world_size()
    dist.all_gather_object(found, value)
    return found


def start_process_group(timeout_s: int, *, cuda: bool) -> None:
    """Starts DeepSpeed's communication, which ZeRO-3 needs before the model is loaded."""
    if cuda:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    deepspeed.init_distributed(
        dist_backend="nccl" if cuda else "gloo",
        timeout=timedelta(seconds=timeout_s),
        verbose=False,
    )


def end_process_group() -> None:
    """Lets the other ranks end; nothing where there is no group."""
    if dist.is_initialized():
        dist.destroy_process_group()


def quiet_third_parties(*, cuda: bool) -> None:
    """Warnings and errors only; no kernel is compiled for gathering a few MB between CPUs."""
    logging.getLogger("DeepSpeed").setLevel(logging.WARNING)
    # It remarks that accumulation is DeepSpeed's affair, which is as it should be.
    logging.getLogger("accelerate").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=FutureWarning)
    if not cuda:
        # Compiling it takes 90 s and more; gloo gives the same losses without it.
        deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
