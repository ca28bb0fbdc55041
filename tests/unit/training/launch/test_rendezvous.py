"""Nodes meeting over real sockets: in time, too late, and on wrong numbers or ports."""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from selfalign.errors import ConfigError, PortInUse, RendezvousFailed
from selfalign_training.launch.machine import Machine
from selfalign_training.launch.rendezvous import Card, NodeAgreement, difference, gather

ADDRESS = "127.0.0.2"
TOLD = NodeAgreement(ranks=1, configuration="abc")


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        found: int = probe.getsockname()[1]
    return found


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as executor:
        yield executor


def machine(
    rank: int, port: int, nodes: int = 2, patience: int = 20, address: str = ADDRESS
) -> Machine:
    return Machine(rank, nodes, address, port, patience, grace_s=1)


def test_nodes_meet_whoever_comes_first(
    port: int, pool: ThreadPoolExecutor, capsys: pytest.CaptureFixture[str]
) -> None:
    late = [pool.submit(gather, machine(rank, port, nodes=3), TOLD) for rank in (1, 2)]
    time.sleep(1.0)
    assert not any(future.done() for future in late)
    first = gather(machine(0, port, nodes=3), TOLD)
    others = [future.result(10) for future in late]
    first.set("ranks", "talk over it")
    assert [store.get("ranks") for store in others] == [b"talk over it"] * 2
    told = capsys.readouterr().out
    assert f"waiting: node 0 at {ADDRESS}:{port}: Connection refused" in told


def test_torchruns_own_store_is_the_same_one(port: int, pool: ThreadPoolExecutor) -> None:
    def meet(rank: int) -> Any:
        kept = gather(machine(rank, port), TOLD)
        own = TCPStore(ADDRESS, port, 2, rank == 0, multi_tenant=True)
        own.set(f"of {rank}", str(rank))
        return kept, own, own.get(f"of {1 - rank}")

    assert [future.result(15)[2] for future in [pool.submit(meet, 0), pool.submit(meet, 1)]] == [
        b"1",
        b"0",
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"address": "selfalign-no-such-host.invalid"},
            "gave up after 1 s (RENDEZVOUS_TIMEOUT_S): MASTER_ADDR "
            "selfalign-no-such-host.invalid does not resolve",
        ),
        ({"address": "192.0.2.1", "rank": 0}, "MASTER_ADDR 192.0.2.1 means 192.0.2.1; expected an"),
        ({}, "Connection refused"),
        ({"rank": 0}, "no sign yet of node 1 of 2 at"),
    ],
)
def test_who_waits_in_vain_is_told_for_what(
    port: int, changes: dict[str, Any], message: str
) -> None:
    changes = {"rank": 1} | changes
    with pytest.raises(RendezvousFailed) as caught:
        gather(machine(port=port, patience=1, **changes), TOLD)
    assert message in str(caught.value)
    assert caught.value.exit_code == 68


def test_a_port_that_is_taken_is_named(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("selfalign_training.launch.rendezvous.ANSWER_S", 2)
    with socket.socket() as other:
        other.bind(("", port))
        other.listen()
        with pytest.raises(PortInUse, match=f"MASTER_PORT: {port} is taken on this machine"):
            gather(machine(0, port), TOLD)
        with pytest.raises(RendezvousFailed, match="is not node 0 of a job"):
            gather(machine(1, port, patience=1), TOLD)


def test_two_nodes_of_one_number_are_told(port: int, pool: ThreadPoolExecutor) -> None:
    first = pool.submit(gather, machine(0, port, nodes=3, patience=6), TOLD)
    twins = [pool.submit(gather, machine(1, port, nodes=3, patience=6), TOLD) for _ in range(2)]
    messages = [str(future.exception(15)) for future in twins]
    assert any("NODE_RANK: 1 is the number of" in message for message in messages)
    assert "no sign yet of node 2 of 3" in str(first.exception(15))


def test_a_node_that_was_started_again_waits_for_the_next_attempt(
    port: int, pool: ThreadPoolExecutor, capsys: pytest.CaptureFixture[str]
) -> None:
    former = pool.submit(gather, machine(0, port), TOLD)
    gather(machine(1, port), TOLD)
    kept: list[Any] = [former.result(10)]
    del former
    again: Future[Any] = pool.submit(gather, machine(1, port), TOLD)
    time.sleep(1.5)
    assert not again.done()
    assert "runs an earlier attempt" in capsys.readouterr().out
    kept.clear()
    kept.append(gather(machine(0, port), TOLD))
    again.result(10)


@pytest.mark.parametrize(
    ("told", "nodes", "message"),
    [
        (replace(TOLD, configuration="abd"), 2, "the configuration: abc on node 0 "),
        (replace(TOLD, ranks=2), 2, "NPROC_PER_NODE: 1 on node 0 "),
        (TOLD, 3, "NNODES: 2 on node 0 "),
    ],
)
def test_nodes_that_were_told_different_things_all_refuse(
    port: int, pool: ThreadPoolExecutor, told: NodeAgreement, nodes: int, message: str
) -> None:
    first = pool.submit(gather, machine(0, port), TOLD)
    second = pool.submit(gather, machine(1, port, nodes=nodes), told)
    for error in (first.exception(15), second.exception(15)):
        assert isinstance(error, ConfigError)
        assert message in str(error)


def test_difference_names_both_sides() -> None:
    first = Card(nodes=2, ranks=8, configuration="abc", host="a", id="1")
    second = Card(nodes=2, ranks=8, configuration="abc", host="b", id="2")
    assert difference({0: first, 1: second}) == ""
    assert difference({0: first, 1: {**second, "ranks": 4}}) == (
        "NPROC_PER_NODE: 8 on node 0 (a) and 4 on node 1 (b); expected the same on all nodes"
    )
