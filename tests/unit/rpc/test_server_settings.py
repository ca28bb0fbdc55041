"""What a server is told: tokens, ports, and settings that it refuses."""

import asyncio
import socket
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from selfalign import errors
from selfalign.rpc.channel import ChannelSettings
from selfalign.rpc.clients import PrincipleEngineClient
from selfalign.rpc.server import ServerSettings
from selfalign.storage.rows import PromptItem
from support.rpc_echo import NAME, EchoService, row_of
from support.rpc_server import serving, status_of

ITEM = PromptItem("id", "hello")


async def test_tokens_can_be_rotated(tmp_path: Path) -> None:
    accepted, ours = tmp_path / "accepted", tmp_path / "ours"
    accepted.write_text("first\n\nsecond\n")
    ours.write_text("second\n")
    async with serving([EchoService().registration()], token_file=accepted) as channel:
        good = channel.model_copy(update={"token_file": ours})
        async with PrincipleEngineClient(good) as client:
            assert await client.align_prompt(ITEM, 5.0) == row_of(ITEM)
            assert [row async for row in client.align_prompts([ITEM])] == [row_of(ITEM)]
            accepted.write_text("third\n")
            with pytest.raises(errors.ConfigError, match="authorization"):
                await client.align_prompt(ITEM, 5.0)
            ours.write_text("third\n")
            assert await client.align_prompt(ITEM, 5.0) == row_of(ITEM)
        async with PrincipleEngineClient(channel) as client:
            with pytest.raises(errors.ConfigError, match="authorization"):
                await client.align_prompt(ITEM, 5.0)
            with pytest.raises(errors.ConfigError, match="authorization"):
                _ = [row async for row in client.align_prompts([ITEM])]
        assert await status_of(channel, NAME) == 1


async def test_metrics_and_health_ports(tmp_path: Path) -> None:
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        metrics_port, health_port = one.getsockname()[1], two.getsockname()[1]
    ports = {"metrics_port": metrics_port, "health_port": health_port}
    async with serving([EchoService().registration()], **ports):
        plain = ChannelSettings(target=f"127.0.0.1:{health_port}")
        assert await status_of(plain, "liveness") == 1

        def scrape() -> str:
            with urllib.request.urlopen(f"http://127.0.0.1:{metrics_port}/metrics") as page:
                return str(page.read().decode())

        assert "selfalign_engine_inflight 0.0" in await asyncio.to_thread(scrape)


@pytest.mark.parametrize("name", ["port", "metrics_port", "health_port"])
async def test_ports_that_are_taken(name: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(errors.PortInUse, match=f"{port} on 127.0.0.1 is taken"):
            async with serving([EchoService().registration()], **{name: port}):
                pass


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"host": "192.0.2.1"}, "cannot listen on '192.0.2.1'"),
        ({"token_file": Path("no/such")}, "token_file: cannot read"),
        ({"tls_cert": Path("no/such"), "tls_key": Path("no/such")}, "tls_key: cannot read"),
    ],
)
async def test_settings_that_cannot_be_used(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(errors.ConfigError, match=message):
        async with serving([EchoService().registration()], **settings):
            pass


@pytest.mark.parametrize(
    "settings",
    [{"port": 70000}, {"unknown": 1}, {"tls_cert": "a"}, {"tls_client_ca": "a"}],
)
def test_settings_that_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ServerSettings(**settings)
