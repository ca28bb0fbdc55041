"""Which machine of a job this is, as the environment says: what every scheduler can set."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from selfalign.errors import ConfigError
from selfalign_training.launch.environment import GRACE_S

DEFAULT_PORT = 29500
DEFAULT_PATIENCE_S = 900
# Kubeflow's trainer sets torchrun's own names.
TORCHRUN_PREFIX = "PET_"
HOST = re.compile(r"[A-Za-z0-9_.:-]+")


@dataclass(frozen=True, slots=True)
class Machine:
    """One node of a job, and where the first one listens."""

    rank: int
    nodes: int
    address: str
    """Name or IP of node 0."""
    port: int
    patience_s: int
    """How long the nodes wait for each other."""
    grace_s: int
    """How long ranks have between SIGTERM and SIGKILL."""


def read_machine(environment: Mapping[str, str]) -> Machine:
    """Reads NNODES, NODE_RANK, MASTER_ADDR, MASTER_PORT and the two time limits.

    Without any of them: the only node. Raises ConfigError naming variable, value, expectation.
    """
    nodes = _number(environment, "NNODES", 1, "the number of nodes", least=1)
    if nodes > 1:
        _require(environment, nodes, "NODE_RANK", "MASTER_ADDR")
    rank = _number(environment, "NODE_RANK", 0, "this node's number, from 0", least=0)
    if rank >= nodes:
        raise ConfigError(
            f"NODE_RANK: {rank} with NNODES {nodes}; expected a number from 0 to {nodes - 1}, "
            "another one on each node"
        )
    address = _text(environment, "MASTER_ADDR") or "127.0.0.1"
    if not HOST.fullmatch(address):
        raise ConfigError(
            f"MASTER_ADDR: {address!r}; expected the name or IP address of node 0, without a port"
        )
    port = _number(environment, "MASTER_PORT", DEFAULT_PORT, "a free port of node 0", least=1)
    if port > 65535:
        raise ConfigError(f"MASTER_PORT: {port}; expected a port from 1 to 65535")
    patience = _number(environment, "RENDEZVOUS_TIMEOUT_S", DEFAULT_PATIENCE_S, "seconds", least=1)
    grace = _number(environment, "TERMINATION_GRACE_S", GRACE_S, "seconds", least=1)
    return Machine(rank, nodes, address, port, patience, grace)


def count_ranks(environment: Mapping[str, str]) -> int:
    """NPROC_PER_NODE; without it, or with `auto`, one rank for each GPU, else one.

    Raises:
        ConfigError: it is no number, or more than there are GPUs.
    """
    import torch

    gpus = torch.cuda.device_count()
    text = _text(environment, "NPROC_PER_NODE")
    if text in ("", "auto"):
        return max(1, gpus)
    if text == "gpu":
        if gpus == 0:
            raise ConfigError("NPROC_PER_NODE: gpu, and no GPU can be seen; expected a number")
        return gpus
    ranks = _number(environment, "NPROC_PER_NODE", 1, "ranks of this node", least=1)
    if 0 < gpus < ranks:
        raise ConfigError(f"NPROC_PER_NODE: {ranks}, and {gpus} GPUs can be seen; one rank a GPU")
    return ranks


def _require(environment: Mapping[str, str], nodes: int, *names: str) -> None:
    missing = [name for name in names if not _text(environment, name)]
    if missing:
        raise ConfigError(
            f"{' and '.join(missing)}: not set, with NNODES {nodes}; expected NODE_RANK (from 0, "
            "another one on each node) and MASTER_ADDR (name or IP address of node 0)"
        )


def _number(
    environment: Mapping[str, str], name: str, default: int, meaning: str, *, least: int
) -> int:
    text = _text(environment, name)
    if not text:
        return default
    if not (text.isascii() and text.isdecimal()) or int(text) < least:
        raise ConfigError(
            f"{name}: {text!r}; expected {meaning}: a whole number of at least {least}"
        )
    return int(text)


def _text(environment: Mapping[str, str], name: str) -> str:
    return (environment.get(name) or environment.get(TORCHRUN_PREFIX + name) or "").strip()
