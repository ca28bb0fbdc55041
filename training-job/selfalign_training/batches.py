"""Batch arithmetic, and which row goes into which step: a function of seed and epoch alone."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from selfalign.errors import ConfigError

# Lengths are sorted inside windows of so many optimizer steps: little padding, still shuffled.
WINDOW_STEPS = 50


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """How one optimizer step is made up: global = micro * ranks * accumulation."""

    micro_batch_size: int
    ranks: int
    accumulation: int

    @property
    def slice_size(self) -> int:
        """Sequences that all ranks together compute at once."""
        return self.micro_batch_size * self.ranks

    @property
    def global_batch_size(self) -> int:
        """Sequences of one optimizer step."""
        return self.slice_size * self.accumulation

    def steps(self, sequences: int) -> int:
        """Optimizer steps of one epoch; the last one is filled up with empty sequences."""
        return -(-sequences // self.global_batch_size)


def plan_batches(global_batch_size: int, micro_batch_size: int, ranks: int) -> BatchPlan:
    """Derives the accumulation. Raises ConfigError, with the arithmetic, if it is not whole."""
    if ranks < 1:
        raise ConfigError(f"world size is {ranks}; expected at least 1 rank")
    per_slice = micro_batch_size * ranks
    if global_batch_size % per_slice:
        fitting = [
            size
            for size in range(1, micro_batch_size + 1)
            if global_batch_size % (size * ranks) == 0
        ]
        remedy = (
            f"micro_batch_size {' or '.join(map(str, fitting[-3:]))} fits"
            if fitting
            else f"no micro_batch_size up to {micro_batch_size} fits {ranks} ranks"
        )
        near = max(1, round(global_batch_size / per_slice)) * per_slice
        raise ConfigError(
            f"global_batch_size {global_batch_size} / (micro_batch_size {micro_batch_size} x "
            f"{ranks} ranks) = {global_batch_size / per_slice:.3g} accumulation steps, which is "
            f"not whole; {remedy}, or global_batch_size {near}"
        )
    return BatchPlan(micro_batch_size, ranks, global_batch_size // per_slice)


def epoch_order(lengths: Sequence[int], plan: BatchPlan, seed: int, epoch: int) -> list[int]:
    """The order in which an epoch sees its sequences: a permutation of all indices.

    Every run of `plan.slice_size` indices is computed at once by all ranks and holds sequences of
    like length; which slices make up an optimizer step is shuffled. `len(lengths)` must be a
    multiple of the global batch size.
    """
    if len(lengths) % plan.global_batch_size:
        raise ValueError(f"{len(lengths)} sequences do not fill steps of {plan.global_batch_size}")
    rng = random.Random(f"order/{seed}/{epoch}")
    indices = list(range(len(lengths)))
    rng.shuffle(indices)
    window = WINDOW_STEPS * plan.global_batch_size
    order: list[int] = []
    for start in range(0, len(indices), window):
        part = sorted(indices[start : start + window], key=lambda index: -lengths[index])
        slices = [part[at : at + plan.slice_size] for at in range(0, len(part), plan.slice_size)]
        rng.shuffle(slices)
        order += [index for piece in slices for index in piece]
    return order


def padding_share(lengths: Sequence[int], order: Sequence[int], micro_batch_size: int) -> float:
    """The share of computed tokens that is padding, where each micro batch is padded to its
    longest sequence."""
    computed = sum(
        max(lengths[index] for index in order[at : at + micro_batch_size]) * micro_batch_size
        for at in range(0, len(order), micro_batch_size)
    )
    return 1 - sum(lengths) / computed if computed else 0.0
