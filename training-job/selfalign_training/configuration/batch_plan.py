"""Batch arithmetic: how many sequences each rank computes at once, and how often, for one step."""

from dataclasses import dataclass

from selfalign.errors import ConfigError


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
