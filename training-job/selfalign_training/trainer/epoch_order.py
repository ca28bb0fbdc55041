"""Which sequence goes into which optimizer step of an epoch, whatever the number of ranks."""

import random
from collections.abc import Iterator, Sequence

from torch.utils.data import Sampler

# Lengths are sorted in windows of at most as many optimizer steps: little padding, still shuffled.
WINDOW_STEPS = 50
# An epoch has as many windows or more: sorted as one, small data make the same batches again.
WINDOWS = 4
# A step is made of at most as many groups of like length, each of at least 16 sequences.
GROUPS_IN_STEP = 8
SMALLEST_GROUP = 16


class EpochSampler(Sampler[int]):
    """The order of each epoch, which resuming repeats; see epoch_order."""

    def __init__(self, lengths: Sequence[int], global_batch_size: int, seed: int) -> None:
        self._lengths = lengths
        self._global_batch_size = global_batch_size
        self._seed = seed
        self._epoch = 0

    @property
    def steps(self) -> int:
        """Optimizer steps of an epoch."""
        return len(self._lengths) // self._global_batch_size

    def set_epoch(self, epoch: int) -> None:
        """Called before each epoch."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        return iter(epoch_order(self._lengths, self._global_batch_size, self._seed, self._epoch))


def epoch_order(lengths: Sequence[int], global_batch_size: int, seed: int, epoch: int) -> list[int]:
    """The order in which an epoch sees its sequences: a permutation of all indices.

    Every run of `global_batch_size` indices is one optimizer step. Ranks and micro batches cut it
    but do not shape it, so that a job may go on with another number of ranks. A step mixes several
    groups of like length and is sorted, longest first: micro batches hold like lengths. Which
    sequences meet in a step differs from epoch to epoch, whatever the amount of data.
    `len(lengths)` must be a multiple of the global batch size.
    """
    if len(lengths) % global_batch_size:
        raise ValueError(f"{len(lengths)} sequences do not fill steps of {global_batch_size}")
    rng = random.Random(f"order/{seed}/{epoch}")
    indices = list(range(len(lengths)))
    rng.shuffle(indices)
    window = window_steps(len(lengths) // global_batch_size) * global_batch_size
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


def window_steps(steps: int) -> int:
    """Optimizer steps of a window, out of the `steps` of an epoch."""
    return max(1, min(WINDOW_STEPS, steps // WINDOWS))


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
