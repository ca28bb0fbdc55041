"""Killed processes are started again, some times."""

import signal
from pathlib import Path

import pytest

from selfalign.events import Event, Note
from selfalign.pipeline.executors.local.processes import Child
from selfalign.pipeline.executors.local.revival import MAX_RESTARTS, Revival


def server() -> Child:
    return Child("engine-base", ["python", "-m", "server", "--port", "0", "--x", "1"], Path("log"))


@pytest.mark.parametrize(
    ("code", "helps"),
    [(-signal.SIGKILL, True), (-signal.SIGSEGV, True), (0, False), (1, False), (64, False)],
)
def test_what_ended_by_itself_has_said_why(code: int, helps: bool) -> None:
    assert Revival(print).helps(server(), code) is helps


def test_a_server_comes_back_where_its_clients_look_for_it() -> None:
    heard: list[Event] = []
    again = Revival(heard.append).again(server(), -signal.SIGKILL, port="4711")
    assert again.command == ["python", "-m", "server", "--port", "4711", "--x", "1"]
    assert heard == [Note(text="engine-base was ended by SIGKILL; started again")]


def test_what_is_killed_again_and_again_is_left() -> None:
    revival, child = Revival(lambda event: None), server()
    for _ in range(MAX_RESTARTS):
        assert revival.helps(child, -signal.SIGKILL)
        revival.again(child, -signal.SIGKILL)
    assert not revival.helps(child, -signal.SIGKILL)
    assert revival.helps(Child("worker", [], Path("log")), -signal.SIGKILL)
