"""Batch arithmetic, and which sequence goes into which step, whatever the number of ranks."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from selfalign.errors import ConfigError

# Lengths are sorted inside windows of so many optimizer steps: little padding, still shuffled.
WINDOW_STEPS = 50
# A step is made of at most so many groups of like length, each of at least so many sequences.
GROUPS_IN_STEP = 8
SMALLEST_GROUP = 16


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


def epoch_order(lengths: Sequence[int], global_batch_size: int, seed: int, epoch: int) -> list[int]:
    """The order in which an epoch sees its sequences: a permutation of all indices.

    Every run of `global_batch_size` indices is one optimizer step. Ranks and micro batches cut it
    but do not shape it, so that a job may go on with another number of ranks. A step mixes several
    groups of like length and is sorted, longest first: micro batches hold like lengths.
    `len(lengths)` must be a multiple of the global batch size.
    """
    if len(lengths) % global_batch_size:
        raise ValueError(f"{len(lengths)} sequences do not fill steps of {global_batch_size}")
    rng = random.Random(f"order/{seed}/{epoch}")
    indices = list(range(len(lengths)))
    rng.shuffle(indices)
    window = WINDOW_STEPS * global_batch_size
    group = global_batch_size // groups_in_step(global_batch_size)
    order: list[int] = []
    for start in range(0, len(indices), window):
        part = sorted(indices[start : start + window], key=lambda index: -lengths[index])
        groups = [part[at : at + group] for at in range(0, len(part), group)]
        rng.shuffle(groups)
        mixed = [index for piece in groups for index in piece]
        for at in range(0, len(mixed), global_batch_size):
            step = mixed[at : at + global_batch_size]
            order += sorted(step, key=lambda index: -lengths[index])
    return order


def groups_in_step(global_batch_size: int) -> int:
    """Into how many groups of like length a step is divided: 8 of 96 sequences for 768."""
    fitting = [
        count
        for count in range(1, GROUPS_IN_STEP + 1)
        if global_batch_size % count == 0 and global_batch_size // count >= SMALLEST_GROUP
    ]
    return max(fitting, default=1)


def padding_share(lengths: Sequence[int], order: Sequence[int], micro_batch_size: int) -> float:
    """The share of computed tokens that is padding, where each micro batch is padded to its
    longest sequence."""
    computed = sum(
        max(lengths[index] for index in order[at : at + micro_batch_size]) * micro_batch_size
        for at in range(0, len(order), micro_batch_size)
    )
    return 1 - sum(lengths) / computed if computed else 0.0
