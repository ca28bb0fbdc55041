"""Which files of a checkpoint are one rank's own, and so written and read by its node alone."""

import re

from selfalign_training.launch.place import Place

# rng_state_3.pth · samples-rank-3.jsonl · [bf16_]zero_pp_rank_3_mp_rank_00_optim_states.pt ·
# offloaded_tensors/rank03/... (DeepSpeed on NVMe)
OWN_FILES = re.compile(
    r"(?:^|/)(?:rng_state_|samples-rank-|(?:\w+_)?zero_pp_rank_|rank(?=\d+/))(\d+)"
)


def owning_rank(name: str) -> int | None:
    """The one rank that a file belongs to, or None where it belongs to all."""
    found = OWN_FILES.search(name)
    return int(found.group(1)) if found else None


def node_writes(place: Place, name: str) -> bool:
    """Whether a file comes from this rank's node: the first has what all share."""
    owner = owning_rank(name)
    return place.node == 0 if owner is None else owner in place.ranks_of_node


def node_reads(place: Place, name: str) -> bool:
    """Whether this node's ranks need a file of a checkpoint of the same world size."""
    owner = owning_rank(name)
    return owner is None or owner in place.ranks_of_node
