"""Children end with their parent, by whatever way it goes; events and logs are kept apart."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from selfalign.events import Event, Ready, Rows
from selfalign.pipeline.executors.local.processes import Child

SPEAKER = """
import json, sys
print(json.dumps({"event": "rows", "accepted": 3}), flush=True)
print("plain text", flush=True)
print("trouble", file=sys.stderr)
sys.exit(5)
"""
STUBBORN = """
import json, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(json.dumps({"event": "ready", "address": str(child.pid)}), flush=True)
time.sleep(600)
"""
PARENT = """
import sys, time
from pathlib import Path
from typing import Any
from selfalign.pipeline.executors.local.processes import Child
child = Child("c", [sys.executable, "-c", "import time; time.sleep(600)"], Path(sys.argv[1]))
child.start()
print(child._process.pid, flush=True)
time.sleep(600)
"""


def python(code: str, log: Path, events: list[Any]) -> Child:
    child = Child("child", [sys.executable, "-c", code], log, events.append)
    child.start()
    return child


def gone(pid: int, within_s: float = 5.0) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


def test_events_go_to_the_sink_and_the_rest_to_the_log(tmp_path: Path) -> None:
    events: list[Event] = []
    child = python(SPEAKER, tmp_path / "logs" / "child.log", events)
    assert child.wait() == 5
    assert events == [Rows(accepted=3)]
    assert {"plain text", "trouble"} <= set(child.log_tail().splitlines())


def test_stop_takes_the_whole_group_even_if_it_ignores_sigterm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("selfalign.pipeline.executors.local.processes.STOP_GRACE_S", 0.5)
    events: list[Event] = []
    child = python(STUBBORN, tmp_path / "child.log", events)
    while not events:
        time.sleep(0.02)
    child.stop()
    assert child.poll() == -9
    assert isinstance(events[0], Ready)
    assert gone(int(events[0].address))


def test_kill_9_of_the_parent_ends_the_child(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path / "log")], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert psutil.pid_exists(pid)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert gone(pid)
