"""The environment of a node: what is understood, and the message for each way to be wrong."""

import pytest

from selfalign.errors import ConfigError
from selfalign_training.launch.machine import Machine, count_ranks, read_machine

TWO = {"NNODES": "2", "NODE_RANK": "1", "MASTER_ADDR": "job-0.job"}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, Machine(0, 1, "127.0.0.1", 29500, 900, 600)),
        (TWO, Machine(1, 2, "job-0.job", 29500, 900, 600)),
        (
            {f"PET_{name}": value for name, value in TWO.items()},
            Machine(1, 2, "job-0.job", 29500, 900, 600),
        ),
        (TWO | {"PET_NNODES": "4"}, Machine(1, 2, "job-0.job", 29500, 900, 600)),
        (
            TWO | {"MASTER_PORT": "1", "RENDEZVOUS_TIMEOUT_S": "5", "TERMINATION_GRACE_S": " 7 "},
            Machine(1, 2, "job-0.job", 1, 5, 7),
        ),
        ({"NNODES": "1", "MASTER_ADDR": "::1"}, Machine(0, 1, "::1", 29500, 900, 600)),
    ],
)
def test_what_the_environment_says(environment: dict[str, str], expected: Machine) -> None:
    assert read_machine(environment) == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"NNODES": "0"}, "NNODES: '0'; expected the number of nodes: a whole number of at least"),
        ({"NNODES": "1:4"}, "NNODES: '1:4'; expected the number of nodes"),
        ({"NNODES": "-1"}, "NNODES: '-1'; expected"),
        ({"NODE_RANK": "2"}, "NODE_RANK: 2 with NNODES 2; expected a number from 0 to 1"),
        ({"NODE_RANK": "first"}, "NODE_RANK: 'first'; expected this node's number, from 0"),
        ({"NODE_RANK": ""}, "NODE_RANK: not set, with NNODES 2; expected NODE_RANK (from 0"),
        ({"MASTER_ADDR": ""}, "MASTER_ADDR: not set, with NNODES 2"),
        ({"MASTER_ADDR": "http://a"}, "MASTER_ADDR: 'http://a'; expected the name or IP address"),
        ({"MASTER_PORT": "70000"}, "MASTER_PORT: 70000; expected a port from 1 to 65535"),
        ({"MASTER_PORT": "http"}, "MASTER_PORT: 'http'; expected a free port of node 0"),
        ({"RENDEZVOUS_TIMEOUT_S": "0"}, "RENDEZVOUS_TIMEOUT_S: '0'; expected seconds"),
        ({"TERMINATION_GRACE_S": "1m"}, "TERMINATION_GRACE_S: '1m'; expected seconds"),
    ],
)
def test_a_wrong_variable_is_named(changes: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_machine(TWO | changes)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "gpus", "expected"),
    [
        ("", 0, 1),
        ("", 8, 8),
        ("auto", 4, 4),
        ("auto", 0, 1),
        ("gpu", 2, 2),
        ("3", 0, 3),
        ("2", 8, 2),
        ("gpu", 0, "NPROC_PER_NODE: gpu, and no GPU can be seen"),
        ("8", 4, "NPROC_PER_NODE: 8, and 4 GPUs can be seen"),
        ("0", 0, "NPROC_PER_NODE: '0'; expected ranks of this node: a whole number of at least 1"),
    ],
)
def test_ranks_of_a_node(
    monkeypatch: pytest.MonkeyPatch, text: str, gpus: int, expected: int | str
) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    if isinstance(expected, int):
        assert count_ranks({"NPROC_PER_NODE": text}) == expected
        return
    with pytest.raises(ConfigError) as caught:
        count_ranks({"PET_NPROC_PER_NODE": text})
    assert expected in str(caught.value)
