"""The `node` command: what is refused before it waits, and what ends the waiting."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from selfalign.errors import StageError
from selfalign.storage.open import open_store
from selfalign_training.__main__ import main
from selfalign_training.configuration.reading import load_config
from selfalign_training.launch import node as node_module
from selfalign_training.launch.command_line import COMMANDS
from selfalign_training.launch.machine import Machine

TWO = {"NNODES": "2", "NODE_RANK": "1", "MASTER_ADDR": "127.0.0.2", "RENDEZVOUS_TIMEOUT_S": "1"}
NOWHERE = "selfalign-no-such-host.invalid"


@pytest.fixture(autouse=True)
def clean_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before, environment = signal.getsignal(signal.SIGTERM), os.environ.copy()
    monkeypatch.setenv("NPROC_PER_NODE", "1")
    yield
    signal.signal(signal.SIGTERM, before)
    os.environ.clear()
    os.environ.update(environment)


@pytest.fixture
def job(config_file: Path, values: dict[str, Any], tmp_path: Path) -> Path:
    values["output"]["store"] = str(tmp_path / "store")
    config_file.write_text(json.dumps(values))
    return config_file


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("", 0))
        return str(probe.getsockname()[1])


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        ({"NODE_RANK": "2"}, 64, "NODE_RANK: 2 with NNODES 2"),
        ({"MASTER_ADDR": ""}, 64, "MASTER_ADDR: not set"),
        ({"NPROC_PER_NODE": "0"}, 64, "NPROC_PER_NODE: '0'"),
        ({"NPROC_PER_NODE": "3"}, 64, "8 / (micro_batch_size 4 x 6 ranks)"),
        ({"MASTER_ADDR": NOWHERE}, 68, f"MASTER_ADDR {NOWHERE} does not resolve"),
        ({"NODE_RANK": "0"}, 68, "no sign yet of node 1 of 2"),
        ({}, 68, "Connection refused"),
    ],
)
def test_a_node_that_cannot_start_says_why(
    job: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, str],
    code: int,
    message: str,
) -> None:
    for name, value in ({"MASTER_PORT": free_port()} | TWO | changes).items():
        monkeypatch.setenv(name, value)
    assert main(["node", str(job)]) == code
    assert message in capsys.readouterr().err


def test_a_port_that_is_taken_is_told(
    job: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as other:
        other.bind(("", 0))
        other.listen()
        port = str(other.getsockname()[1])
        for name, value in (TWO | {"NODE_RANK": "0", "MASTER_PORT": port}).items():
            monkeypatch.setenv(name, value)
        assert main(["node", str(job)]) == 71
    assert f"MASTER_PORT: {port} is taken" in capsys.readouterr().err


def test_a_finished_job_is_not_waited_for(
    job: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in TWO.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(node_module, "_published", lambda *_: True)
    assert main(["node", str(job)]) == 0
    assert "demo/engrave is done already" in capsys.readouterr().out


def test_sigterm_ends_the_waiting_at_once(job: Path) -> None:
    """Also as process 1 of a container, which ignores signals that it does not handle."""
    environment = os.environ | TWO | {"MASTER_PORT": free_port(), "RENDEZVOUS_TIMEOUT_S": "300"}
    process = subprocess.Popen(
        [sys.executable, "-m", "selfalign_training", "node", str(job)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    with process:
        assert process.stdout is not None
        assert "waiting: node 0 at 127.0.0.2" in process.stdout.readline()
        began = time.monotonic()
        process.terminate()
        assert process.wait(30) == 143
    assert time.monotonic() - began < 20


def test_a_node_is_done_when_the_output_is(monkeypatch: pytest.MonkeyPatch, job: Path) -> None:
    """The first node still merges and uploads; if it ends before that, all start again."""
    config = load_config(job)
    store = open_store(config.output.store)
    looks = iter([False, False, True])
    monkeypatch.setattr(node_module, "_published", lambda *_: next(looks))
    monkeypatch.setattr(node_module, "POLL_S", 0.01)
    with socket.socket() as first:
        first.bind(("127.0.0.2", 0))
        first.listen()
        machine = Machine(1, 2, "127.0.0.2", first.getsockname()[1], patience_s=1, grace_s=1)
        node_module._wait_for_output(machine, store, config)
    monkeypatch.setattr(node_module, "_published", lambda *_: False)
    with pytest.raises(StageError, match=r"node 0 ended before .*demo/engrave was complete"):
        node_module._wait_for_output(machine, store, config)


def test_help_teaches_each_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    overview = capsys.readouterr().out
    for command in ("check", "estimate", "launch", "node"):
        assert f"python -m selfalign_training {command}" in overview
    for command in COMMANDS:
        assert main([command, "--help"]) == 0
        assert capsys.readouterr().out.startswith(f"usage: python -m selfalign_training {command}")
        assert main([command]) == 2
        assert f"python -m selfalign_training {command}" in capsys.readouterr().err
