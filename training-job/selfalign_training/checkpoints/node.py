"""The machine that a rank runs on, and which files of a checkpoint are its ranks' own."""

import os
import re
from dataclasses import dataclass

from selfalign.errors import ConfigError

# rng_state_3.pth · samples-rank-3.jsonl · [bf16_]zero_pp_rank_3_mp_rank_00_optim_states.pt ·
# offloaded_tensors/rank03/... (DeepSpeed on NVMe)
OWN_FILES = re.compile(
    r"(?:^|/)(?:rng_state_|samples-rank-|(?:\w+_)?zero_pp_rank_|rank(?=\d+/))(\d+)"
)


@dataclass(frozen=True, slots=True)
class Node:
    """One machine of the job; every node has its own disk, which may be a shared one."""

    index: int = 0
    count: int = 1
    rank: int = 0
    """This process's rank in the whole job."""
    local_rank: int = 0
    local_world_size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this rank does what one rank of each node does: files and transfers."""
        return self.local_rank == 0

    @property
    def ranks(self) -> range:
        """The ranks of this node."""
        first = self.rank - self.local_rank
        return range(first, first + self.local_world_size)

    def writes(self, name: str) -> bool:
        """Whether a file of a checkpoint comes from this node: the first has what all share."""
        owner = owning_rank(name)
        return self.index == 0 if owner is None else owner in self.ranks

    def reads(self, name: str) -> bool:
        """Whether this node's ranks need a file of a checkpoint of the same world size."""
        owner = owning_rank(name)
        return owner is None or owner in self.ranks


def owning_rank(name: str) -> int | None:
    """The one rank that a file belongs to, or None where it belongs to all."""
    found = OWN_FILES.search(name)
    return int(found.group(1)) if found else None


def read_node() -> Node:
    """This node as torchrun tells it; the only one without torchrun. Raises ConfigError."""
    names = {
        "index": ("GROUP_RANK", "0"),
        "count": ("GROUP_WORLD_SIZE", "1"),
        "rank": ("RANK", "0"),
        "local_rank": ("LOCAL_RANK", "0"),
        "local_world_size": ("LOCAL_WORLD_SIZE", "1"),
    }
    values = {}
    for field, (name, default) in names.items():
        text = os.environ.get(name, default)
        if not text.isdecimal():
            raise ConfigError(f"{name}: {text!r} is not a whole number; torchrun sets it")
        values[field] = int(text)
    return Node(**values)
