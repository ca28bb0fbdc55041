"""`python -m selfalign_training node CONFIG`: this machine's part of a job."""

import os
import signal
import time
from pathlib import Path
from typing import Any, NoReturn

from selfalign.errors import StageError
from selfalign.storage.manifest import read_manifest
from selfalign.storage.open import open_store
from selfalign.storage.rows import content_hash
from selfalign.storage.store import Store
from selfalign_training.batches import plan_batches
from selfalign_training.config import TrainingConfig
from selfalign_training.events import tell
from selfalign_training.exit_codes import DONE, TERMINATED
from selfalign_training.launch import run_torchrun, share_cores
from selfalign_training.load import load_config
from selfalign_training.machines import Machine, count_ranks, read_machine
from selfalign_training.ranks import prepare_environment

POLL_S = 2.0


def node(path: Path) -> int:
    """Checks, waits for the other nodes, runs this node's ranks; returns the exit code.

    A job whose output is there is done on every node at once: one that was started again after
    the others had ended must not wait for them.

    Raises:
        ConfigError, DataError, ModelError, StoreError: as their messages say.
        RendezvousFailed, PortInUse: the nodes did not find each other.
        StageError: the first node ended before the output was complete.
    """
    # As process 1 of a container it would not end on SIGTERM by itself.
    signal.signal(signal.SIGTERM, _terminate)
    machine = read_machine(os.environ)
    config = load_config(path)
    prepare_environment()
    ranks = count_ranks(os.environ)
    plan_batches(config.global_batch_size, config.micro_batch_size, machine.nodes * ranks)
    store = open_store(config.output.store)
    if _published(store, config):
        tell("note", message=f"{store.url}/{config.output.prefix} is done already")
        return DONE
    share_cores(ranks)
    if machine.nodes == 1:
        options = ["--standalone", f"--nproc-per-node={ranks}"]
        return run_torchrun([*options, f"--shutdown-timeout={machine.grace_s}"], path)
    code = _run_with_others(machine, ranks, config, path)
    if code == DONE and machine.rank > 0:
        _wait_for_output(machine, store, config)
    return code


def _run_with_others(machine: Machine, ranks: int, config: TrainingConfig, path: Path) -> int:
    from selfalign_training.addresses import interface_towards
    from selfalign_training.rendezvous import gather

    # The store must live as long as the ranks: it is how they find each other.
    _meeting = gather(machine, {"ranks": ranks, "configuration": configuration_digest(config)})
    interface = interface_towards(machine.address)
    if interface is not None:
        # gloo would take the address of the host's name, which may be a loopback one.
        os.environ.setdefault("GLOO_SOCKET_IFNAME", interface)
    options = [
        f"--nnodes={machine.nodes}",
        f"--node-rank={machine.rank}",
        f"--nproc-per-node={ranks}",
        f"--master-addr={machine.address}",
        f"--master-port={machine.port}",
        f"--rdzv-conf=timeout={machine.patience_s}",
        f"--shutdown-timeout={machine.grace_s}",
    ]
    return run_torchrun(options, path)


def configuration_digest(config: TrainingConfig) -> str:
    """Names the settings that must be the same on all nodes."""
    from selfalign_training.train import NOT_PART_OF_THE_JOB

    return content_hash(config.model_dump_json(exclude=NOT_PART_OF_THE_JOB))


def _wait_for_output(machine: Machine, store: Store, config: TrainingConfig) -> None:
    """Waits while the first node merges and uploads: if it fails, all nodes have to start again."""
    from selfalign_training.addresses import reachable

    # torchrun's own handler is still there, and there is nothing left for it to end.
    signal.signal(signal.SIGTERM, _terminate)
    while not _published(store, config):
        if not reachable(machine.address, machine.port):
            # It may have published and ended since the look before.
            time.sleep(POLL_S)
            if _published(store, config):
                return
            raise StageError(
                f"node 0 ended before {store.url}/{config.output.prefix} was complete; start all "
                "nodes again"
            )
        time.sleep(POLL_S)


def _published(store: Store, config: TrainingConfig) -> bool:
    return read_manifest(store, config.output.prefix) is not None


def _terminate(*_: Any) -> NoReturn:  # noqa: ANN401
    raise SystemExit(TERMINATED)
