"""Which node writes and reads which files of a checkpoint."""

import pytest

from selfalign_training.checkpoints.ownership import node_reads, node_writes, owning_rank
from selfalign_training.launch.place import Place

FIRST = Place(rank=1, world_size=4, local_rank=1, local_world_size=2, node=0, nodes=2)
SECOND = Place(rank=2, world_size=4, local_rank=0, local_world_size=2, node=1, nodes=2)


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        ("rng_state_3.pth", 3),
        ("rng_state.pth", None),
        ("samples-rank-12.jsonl", 12),
        ("global_step6/zero_pp_rank_2_mp_rank_00_optim_states.pt", 2),
        ("global_step6/bf16_zero_pp_rank_10_mp_rank_00_optim_states.pt", 10),
        ("global_step6/zero_pp_rank_1_mp_rank_00_model_states.pt", 1),
        ("global_step6/mp_rank_00_model_states.pt", None),
        ("global_step6/offloaded_tensors/rank03/0.swp", 3),
        ("trainer_state.json", None),
        ("metrics.jsonl", None),
    ],
)
def test_files_of_one_rank_are_known_by_their_names(name: str, owner: int | None) -> None:
    assert owning_rank(name) == owner


@pytest.mark.parametrize(
    ("name", "writers", "readers"),
    [
        ("rng_state_1.pth", [FIRST], [FIRST]),
        ("rng_state_2.pth", [SECOND], [SECOND]),
        ("latest", [FIRST], [FIRST, SECOND]),
        ("rng_state_4.pth", [], []),
    ],
)
def test_every_file_is_written_by_one_node(
    name: str, writers: list[Place], readers: list[Place]
) -> None:
    assert [place for place in (FIRST, SECOND) if node_writes(place, name)] == writers
    assert [place for place in (FIRST, SECOND) if node_reads(place, name)] == readers
