"""Where a rank stands in the job, as torchrun tells it through the environment."""

import os
from dataclasses import dataclass

from selfalign.errors import ConfigError

# Fields, and what torchrun calls them.
VARIABLES = {
    "rank": ("RANK", 0),
    "world_size": ("WORLD_SIZE", 1),
    "local_rank": ("LOCAL_RANK", 0),
    "local_world_size": ("LOCAL_WORLD_SIZE", 1),
    "node": ("GROUP_RANK", 0),
    "nodes": ("GROUP_WORLD_SIZE", 1),
}


@dataclass(frozen=True, slots=True)
class Place:
    """A rank among all ranks, and its node (a machine with a disk) among all nodes."""

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0
    """The rank's number on its own node."""
    local_world_size: int = 1
    """Ranks of the node."""
    node: int = 0
    nodes: int = 1

    @property
    def first(self) -> bool:
        """Whether this rank does what only one may do: write and report."""
        return self.rank == 0

    @property
    def leads_node(self) -> bool:
        """Whether this rank does what one rank of each node does: files and transfers."""
        return self.local_rank == 0

    @property
    def ranks_of_node(self) -> range:
        """The ranks of this node."""
        first = self.rank - self.local_rank
        return range(first, first + self.local_world_size)


def read_place() -> Place:
    """Reads torchrun's variables; rank 0 of 1 without them.

    Raises:
        ConfigError: they make no sense.
    """
    values = {}
    for field, (name, default) in VARIABLES.items():
        text = os.environ.get(name, str(default))
        if not text.isdecimal():
            raise ConfigError(f"{name}: {text!r} is not a whole number; torchrun sets it")
        values[field] = int(text)
    place = Place(**values)
    if place.rank >= place.world_size:
        raise ConfigError(
            f"RANK {place.rank} is not below WORLD_SIZE {place.world_size}; start the job with "
            "torchrun or `python -m selfalign_training launch`"
        )
    return place
