"""The nodes of a job find each other, before any rank is started.

Node 0 keeps a TCPStore, the one that torchrun and the ranks use afterwards. Every node leaves its
card there; when all have, node 0 compares the cards and opens the gate. torchrun's own static
rendezvous would wait in silence, deaf to SIGTERM, and would let a node that was started again join
the store of an attempt whose ranks have died.
"""

import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TypedDict
from uuid import uuid4

from torch.distributed import DistError, TCPStore  # type: ignore[attr-defined]

from selfalign.errors import ConfigError, PortInUse, RendezvousFailed
from selfalign.events import Note, emit
from selfalign_training.launch.addresses import is_local, resolve, why_unreachable
from selfalign_training.launch.machine import Machine

GATE = "selfalign/gate"
CARD = "selfalign/card/{}"
POLL_S = 0.5
TELL_EVERY_S = 30.0
ANSWER_S = 20
# What a store raises whose server has gone or does not speak its protocol.
LOST = (DistError, RuntimeError)


@dataclass(frozen=True, slots=True)
class NodeAgreement:
    """What must be the same on all nodes."""

    ranks: int
    """Of each node."""
    configuration: str
    """Digest of the settings."""


class Card(TypedDict):
    """What a node says of itself."""

    ranks: int
    configuration: str
    nodes: int
    host: str
    id: str
    """Of this start of the node."""


class RendezvousPatience:
    """A time limit, and what is waited for: told at first and then now and then."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._end = time.monotonic() + limit_s
        self._told = ("", 0.0)

    def pause(self, waiting_for: str) -> None:
        """Sleeps a little. Raises RendezvousFailed when the time is over."""
        now = time.monotonic()
        if now > self._end:
            raise RendezvousFailed(
                f"gave up after {self._limit_s:.0f} s (RENDEZVOUS_TIMEOUT_S): {waiting_for}"
            )
        text, at = self._told
        if text != waiting_for or now - at > TELL_EVERY_S:
            self._told = (waiting_for, now)
            emit(Note(text=f"waiting: {waiting_for}"))
        time.sleep(POLL_S)


def gather(machine: Machine, agreement: NodeAgreement) -> TCPStore:
    """Waits for all nodes of the job. Keep the result: node 0 serves the others from it.

    Args:
        machine: This node.
        agreement: What this node has been told.

    Raises:
        RendezvousFailed: a node or its name is missing when the time is over.
        PortInUse: another process has node 0's port.
        ConfigError: the nodes have been told different things.
    """
    patience = RendezvousPatience(machine.patience_s)
    card = Card(
        ranks=agreement.ranks,
        configuration=agreement.configuration,
        nodes=machine.nodes,
        host=socket.gethostname(),
        id=uuid4().hex,
    )
    if machine.rank == 0:
        return _receive(machine, card, patience)
    while True:
        store = _join(machine, patience)
        try:
            verdict = _hand_in(machine, store, card, patience)
        except LOST:
            patience.pause(f"node 0 at {_place(machine)} has gone; waiting for it to start again")
            continue
        if verdict:
            raise ConfigError(verdict)
        return store


def _receive(machine: Machine, card: Card, patience: RendezvousPatience) -> TCPStore:
    """Node 0: serves the store, waits for all cards, opens the gate."""
    _await_own_name(machine.address, patience)
    try:
        store = TCPStore(
            machine.address,
            machine.port,
            is_master=True,
            timeout=timedelta(seconds=ANSWER_S),
            wait_for_workers=False,
            multi_tenant=True,
        )
    except DistError as error:
        if "EADDRINUSE" in str(error):
            raise PortInUse(
                f"MASTER_PORT: {machine.port} is taken on this machine; end the process that has "
                "it, or name another port on all nodes"
            ) from error
        raise RendezvousFailed(f"cannot listen at {_place(machine)}: {error}") from error
    store.set(CARD.format(0), json.dumps(card))
    while True:
        there = [rank for rank in range(machine.nodes) if store.check([CARD.format(rank)])]
        cards = {rank: json.loads(store.get(CARD.format(rank))) for rank in there}
        verdict = difference(cards)
        if verdict or len(cards) == machine.nodes:
            break
        missing = ", ".join(str(rank) for rank in range(machine.nodes) if rank not in cards)
        patience.pause(f"no sign yet of node {missing} of {machine.nodes} at {_place(machine)}")
    store.set(GATE, verdict)
    if verdict:
        # The others read it before the store goes.
        time.sleep(4 * POLL_S)
        raise ConfigError(verdict)
    return store


def _await_own_name(name: str, patience: RendezvousPatience) -> None:
    """A name of the cluster may be there late, or for a while still mean a former pod."""
    while True:
        found = resolve(name)
        if any(is_local(address) for address in found):
            return
        meaning = f"means {', '.join(found)}" if found else "does not resolve"
        patience.pause(
            f"MASTER_ADDR {name} {meaning}; expected an address of this machine, which is node 0"
        )


def _join(machine: Machine, patience: RendezvousPatience) -> TCPStore:
    """Another node: connects to node 0, once it is there and not one of an earlier attempt."""
    while True:
        if not resolve(machine.address):
            patience.pause(f"MASTER_ADDR {machine.address} does not resolve")
        elif reason := why_unreachable(machine.address, machine.port):
            patience.pause(f"node 0 at {_place(machine)}: {reason}")
        else:
            store = _connect(machine)
            if store is None:
                patience.pause(f"what listens at {_place(machine)} is not node 0 of a job")
            elif not store.check([GATE]):
                return store
            else:
                patience.pause(
                    f"node 0 at {_place(machine)} runs an earlier attempt, or other nodes have "
                    f"all {machine.nodes} numbers already; waiting for it to end"
                )


def _hand_in(machine: Machine, store: TCPStore, card: Card, patience: RendezvousPatience) -> str:
    """Leaves this node's card and waits at the gate; returns what node 0 objects to, or ""."""
    key = CARD.format(machine.rank)
    store.set(key, json.dumps(card))
    while not store.check([GATE]):
        now = json.loads(store.get(key))
        if now["id"] != card["id"]:
            raise RendezvousFailed(
                f"NODE_RANK: {machine.rank} is the number of {now['host']} too; expected another "
                "number on each node"
            )
        patience.pause(f"node 0 at {_place(machine)} is there, and not yet all other nodes")
    return store.get(GATE).decode()


COMPARED: dict[str, Callable[[Card], int | str]] = {
    "NNODES": lambda card: card["nodes"],
    "NPROC_PER_NODE": lambda card: card["ranks"],
    "the configuration": lambda card: card["configuration"],
}


def difference(cards: Mapping[int, Card]) -> str:
    """What the nodes (by number, with node 0) have been told differently, or ""."""
    for name, fact in COMPARED.items():
        for rank, card in cards.items():
            if fact(card) != fact(cards[0]):
                return (
                    f"{name}: {fact(cards[0])} on node 0 ({cards[0]['host']}) and {fact(card)} on "
                    f"node {rank} ({card['host']}); expected the same on all nodes"
                )
    return ""


def _connect(machine: Machine) -> TCPStore | None:
    """A client of the store, or None: a server of another kind would never answer it."""
    return _within(
        ANSWER_S,
        lambda: TCPStore(
            machine.address,
            machine.port,
            is_master=False,
            timeout=timedelta(seconds=ANSWER_S // 2),
            wait_for_workers=False,
        ),
    )


def _within(seconds: float, make: Callable[[], TCPStore]) -> TCPStore | None:
    made: list[TCPStore] = []

    def run() -> None:
        try:
            made.append(make())
        except LOST:
            return

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    return made[0] if made else None


def _place(machine: Machine) -> str:
    return f"{machine.address}:{machine.port}"
