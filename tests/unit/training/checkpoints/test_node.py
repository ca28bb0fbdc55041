"""Which node writes and reads which files of a checkpoint."""

import pytest

from selfalign.errors import ConfigError
from selfalign_training.checkpoints.node import Node, owning_rank, read_node

FIRST = Node(index=0, count=2, rank=1, local_rank=1, local_world_size=2)
SECOND = Node(index=1, count=2, rank=2, local_rank=0, local_world_size=2)


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
    name: str, writers: list[Node], readers: list[Node]
) -> None:
    assert [node for node in (FIRST, SECOND) if node.writes(name)] == writers
    assert [node for node in (FIRST, SECOND) if node.reads(name)] == readers


def test_the_place_comes_from_torchrun(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GROUP_RANK", "GROUP_WORLD_SIZE", "RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    assert read_node() == Node()
    values = {"GROUP_RANK": 1, "GROUP_WORLD_SIZE": 2, "RANK": 3, "LOCAL_RANK": 1}
    for name, value in values.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    node = read_node()
    assert (node.index, node.ranks, node.leads) == (1, range(2, 4), False)
    monkeypatch.setenv("LOCAL_RANK", "one")
    with pytest.raises(ConfigError, match="LOCAL_RANK: 'one' is not a whole number"):
        read_node()
