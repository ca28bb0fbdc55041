"""The command `node`: this machine's part of a job."""

import os
import signal
import time
from pathlib import Path
from typing import NoReturn

from selfalign.errors import StageError
from selfalign.events import Note, emit
from selfalign.storage.manifest import read_manifest
from selfalign.storage.open import open_store
from selfalign.storage.store import Store
from selfalign_training.configuration.batch_plan import plan_batches
from selfalign_training.configuration.deepspeed_keys import check_deepspeed_keys
from selfalign_training.configuration.identity import settings_digest
from selfalign_training.configuration.reading import load_config
from selfalign_training.configuration.training_config import TrainingConfig
from selfalign_training.launch.environment import (
    choose_accelerator,
    prepare_environment,
    share_cores,
)
from selfalign_training.launch.exit_codes import DONE, TERMINATED
from selfalign_training.launch.machine import Machine, count_ranks, read_machine
from selfalign_training.launch.torchrun import run_torchrun

POLL_S = 2.0


def run_node(path: Path) -> int:
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
    choose_accelerator()
    ranks = count_ranks(os.environ)
    if config.deepspeed_config is not None:
        check_deepspeed_keys(config.deepspeed_config)
    plan_batches(config.global_batch_size, config.micro_batch_size, machine.nodes * ranks)
    store = open_store(config.output.store)
    if _published(store, config):
        emit(Note(text=f"{store.url}/{config.output.prefix} is done already"))
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
    from selfalign_training.configuration.precision import with_precision
    from selfalign_training.launch.addresses import interface_towards
    from selfalign_training.launch.rendezvous import NodeAgreement, gather

    # Nodes that compute in different formats find out here.
    digest = settings_digest(with_precision(config))
    # The store must live as long as the ranks: it is how they find each other.
    _meeting = gather(machine, NodeAgreement(ranks, digest))
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


def _wait_for_output(machine: Machine, store: Store, config: TrainingConfig) -> None:
    """Waits while the first node merges and uploads: if it fails, all nodes have to start again."""
    from selfalign_training.launch.addresses import reachable

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


def _terminate(*_: object) -> NoReturn:
    raise SystemExit(TERMINATED)
