"""Where a rank stands: what torchrun says of it, and what cannot be."""

from typing import Any

import pytest

from selfalign.errors import ConfigError
from selfalign_training.launch.place import VARIABLES, Place, read_place


def test_the_place_comes_from_torchrun(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, _ in VARIABLES.values():
        monkeypatch.delenv(name, raising=False)
    assert read_place() == Place()
    values = {"GROUP_RANK": 1, "GROUP_WORLD_SIZE": 2, "RANK": 3, "LOCAL_RANK": 1}
    values["WORLD_SIZE"] = 4
    for name, value in values.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    place = read_place()
    assert (place.node, place.ranks_of_node, place.leads_node) == (1, range(2, 4), False)
    monkeypatch.setenv("LOCAL_RANK", "one")
    with pytest.raises(ConfigError, match="LOCAL_RANK: 'one' is not a whole number"):
        read_place()


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"RANK": "2", "WORLD_SIZE": "2"}, "RANK 2 is not below WORLD_SIZE 2"),
        ({"RANK": "0", "WORLD_SIZE": "0"}, "RANK 0 is not below WORLD_SIZE 0"),
        ({"RANK": "x", "WORLD_SIZE": "2"}, "RANK: 'x' is not a whole number"),
    ],
)
def test_an_impossible_place_is_refused(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, Any], message: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=message):
        read_place()
