"""Names, addresses and interfaces, asked of this machine itself."""

import socket

import pytest

from selfalign_training.launch.addresses import (
    interface_towards,
    is_local,
    reachable,
    resolve,
    why_unreachable,
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("127.0.0.2", ["127.0.0.2"]), ("no-such-host.invalid", []), ("a" * 300, [])],
)
def test_resolve(name: str, expected: list[str]) -> None:
    assert resolve(name) == expected


@pytest.mark.parametrize(
    ("address", "expected"), [("127.0.0.1", True), ("127.0.0.2", True), ("192.0.2.1", False)]
)
def test_is_local(address: str, expected: bool) -> None:
    assert is_local(address) == expected


def test_what_listens_is_reachable_and_the_reason_is_told_otherwise() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        assert reachable("127.0.0.1", port)
    assert why_unreachable("127.0.0.1", port) == "Connection refused"


@pytest.mark.parametrize(
    ("address", "expected"), [("127.0.0.1", "lo"), ("127.0.0.2", "lo"), ("no-such.invalid", None)]
)
def test_interface_towards(address: str, expected: str | None) -> None:
    assert interface_towards(address) == expected
