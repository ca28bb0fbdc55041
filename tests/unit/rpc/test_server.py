"""The server as a client sees it: errors, limits, health, drain."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc.aio
import pytest
from google.rpc import error_details_pb2, status_pb2

from selfalign import errors
from selfalign.rpc.channel import ChannelSettings
from selfalign.rpc.clients import LintMessage, PrincipleEngineClient
from selfalign.storage.rows import PromptItem, Row
from selfalign.telemetry.metrics import Metrics
from selfalign.v1 import principle_engine_pb2 as pb
from selfalign.v1 import principle_engine_pb2_grpc
from support.rpc_echo import NAME, EchoService, echo, row_of
from support.rpc_server import serving, status_of

ITEM = PromptItem("id", "hello")


def raising(error: Exception) -> EchoService:
    async def answer(item: PromptItem) -> Row:
        raise error

    return EchoService(answer)


async def hang(item: PromptItem) -> Row:
    await asyncio.sleep(60)
    return row_of(item)


async def test_calls() -> None:
    metrics = Metrics()
    async with (
        serving([EchoService().registration()], metrics) as channel,
        PrincipleEngineClient(channel) as client,
    ):
        assert await client.align_prompt(ITEM, 5.0) == row_of(ITEM)
        assert (await client.get_constitution()).principles[0].name == "one"
        assert await client.lint_constitution("x") == [LintMessage("error", "yaml", "x")]
        items = [PromptItem(str(number), f"text {number}") for number in range(100)]
        rows = [row async for row in client.align_prompts(items)]
    assert sorted(row.prompt_id for row in rows) == sorted(item.prompt_id for item in items)

    def value(name: str, method: str, kind: str, **labels: str) -> float | None:
        series = {"grpc_type": kind, "grpc_service": NAME, "grpc_method": method, **labels}
        return metrics.registry.get_sample_value(name, series)

    assert value("grpc_server_started_total", "AlignPrompt", "unary") == 1
    assert value("grpc_server_handled_total", "AlignPrompt", "unary", grpc_code="OK") == 1
    assert value("grpc_server_msg_sent_total", "AlignPrompts", "bidi_stream") == 100
    assert value("grpc_server_msg_received_total", "AlignPrompts", "bidi_stream") == 100
    assert value("grpc_server_handling_seconds_count", "AlignPrompts", "bidi_stream") == 1


KINDS = [
    value
    for value in vars(errors).values()
    if isinstance(value, type) and issubclass(value, errors.SelfAlignError)
]


@pytest.mark.parametrize("kind", KINDS)
async def test_every_error_comes_back_as_itself(kind: type[errors.SelfAlignError]) -> None:
    service = raising(kind("field: it is so; do that"))
    async with (
        serving([service.registration()]) as channel,
        PrincipleEngineClient(channel) as client,
    ):
        with pytest.raises(errors.SelfAlignError, match="field: it is so; do that") as unary:
            await client.align_prompt(ITEM, 5.0)
        with pytest.raises(errors.SelfAlignError) as stream:
            _ = [row async for row in client.align_prompts([ITEM])]
    assert type(unary.value) is type(stream.value) is kind


async def test_overload_comes_with_retry_info_and_long_messages_are_cut() -> None:
    service = raising(errors.EngineOverloaded("voll: ä" + "世" * 5000))
    stub: Any = principle_engine_pb2_grpc.PrincipleEngineServiceStub
    async with (
        serving([service.registration()]) as channel,
        grpc.aio.insecure_channel(channel.target) as raw,
    ):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stub(raw).AlignPrompt(pb.AlignPromptRequest(), timeout=5)
    assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    metadata: Any = raised.value.trailing_metadata()
    status = status_pb2.Status.FromString(dict(metadata)["grpc-status-details-bin"])
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    assert status.details[0].Unpack(info)
    assert (info.reason, info.domain) == ("EngineOverloaded", "selfalign")
    assert status.details[1].Unpack(retry)
    assert retry.retry_delay.ToMilliseconds() == 1000


async def test_a_bug_is_internal_and_tells_the_client_no_secrets(
    caplog: pytest.LogCaptureFixture,
) -> None:
    service = raising(KeyError("secret"))
    async with (
        serving([service.registration()]) as channel,
        PrincipleEngineClient(channel) as client,
    ):
        with pytest.raises(errors.StageError, match=r"internal error \(KeyError\)") as raised:
            await client.align_prompt(ITEM, 5.0)
    assert "secret" not in str(raised.value)
    assert "secret" in caplog.text


async def test_deadlines() -> None:
    service = EchoService(hang)
    async with (
        serving([service.registration()], max_deadline_s=60.0) as channel,
        PrincipleEngineClient(channel) as client,
    ):
        with pytest.raises(errors.EngineTimeout):
            await client.align_prompt(ITEM, 0.2)
        with pytest.raises(errors.ConfigError, match="at most 60 s"):
            await client.align_prompt(ITEM, 600.0)
        async with grpc.aio.insecure_channel(channel.target) as raw:
            stub: Any = principle_engine_pb2_grpc.PrincipleEngineServiceStub
            with pytest.raises(grpc.aio.AioRpcError, match="has no deadline"):
                await stub(raw).AlignPrompt(pb.AlignPromptRequest())
        await asyncio.sleep(0.05)
        assert service.cancelled == 1


async def test_a_client_that_leaves_ends_the_work() -> None:
    service = EchoService(hang)
    async with (
        serving([service.registration()]) as channel,
        PrincipleEngineClient(channel) as client,
    ):
        items = [PromptItem(str(number), "x") for number in range(4)]
        rows = client.align_prompts(items)
        reader = asyncio.create_task(anext(rows))
        await asyncio.sleep(0.2)
        reader.cancel()
        await asyncio.wait([reader])
        await rows.aclose()
        for _ in range(200):
            if service.cancelled == 4:
                break
            await asyncio.sleep(0.01)
    assert service.cancelled == 4


async def test_more_calls_than_allowed_are_refused_but_health_answers() -> None:
    async with (
        serving([EchoService(hang).registration()], max_concurrent_rpcs=2) as channel,
        PrincipleEngineClient(channel) as client,
    ):
        calls = [asyncio.create_task(client.align_prompt(ITEM, 30.0)) for _ in range(2)]
        await asyncio.sleep(0.2)
        with pytest.raises(errors.EngineOverloaded, match="max_concurrent_rpcs"):
            await client.align_prompt(ITEM, 5.0)
        assert await status_of(channel, NAME) == 1
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)


async def test_health_follows_the_check() -> None:
    problem: list[errors.SelfAlignError] = []

    async def check() -> None:
        if problem:
            raise problem[0]

    registration = EchoService().registration(check)
    async with serving([registration], check_interval_s=0.05) as channel:
        for name in ("liveness", NAME, ""):
            assert await status_of(channel, name) == 1
        problem.append(errors.EngineUnavailable("down"))
        await asyncio.sleep(0.3)
        assert [await status_of(channel, name) for name in ("liveness", NAME, "")] == [1, 2, 2]
        problem.clear()
        await asyncio.sleep(0.3)
        assert await status_of(channel, NAME) == 1


async def test_a_draining_server_is_alive_but_not_ready() -> None:
    settings: dict[str, Any] = {"drain_delay_s": 1.0, "check_interval_s": 0.02}
    async with serving([EchoService().registration()], **settings) as channel:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(0.3)
        assert [await status_of(channel, name) for name in ("liveness", NAME, "")] == [1, 2, 2]
        async with PrincipleEngineClient(channel) as client:
            assert await client.align_prompt(ITEM, 5.0) == row_of(ITEM)


async def test_sigterm_answers_what_was_read_and_ends_the_stream() -> None:
    asked = asyncio.Event()

    async def slow(item: PromptItem) -> Row:
        asked.set()
        await asyncio.sleep(0.3)
        return await echo(item)

    async def endless() -> AsyncIterator[PromptItem]:
        number = 0
        while True:
            number += 1
            yield PromptItem(str(number), "x")
            await asyncio.sleep(0.01)

    rows: list[Row] = []
    service = EchoService(slow, max_in_flight=4)
    async with (
        serving([service.registration()], drain_grace_s=10.0) as channel,
        PrincipleEngineClient(channel) as client,
    ):
        unary = asyncio.create_task(client.align_prompt(ITEM, 10.0))

        async def consume() -> None:
            async for row in client.align_prompts(endless()):
                rows.append(row)

        consumer = asyncio.create_task(consume())
        await asked.wait()
        await asyncio.sleep(0.1)
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(errors.EngineUnavailable, match="send them again"):
            await consumer
        assert (await unary).prompt_id == ITEM.prompt_id
    assert len(rows) >= 4
    assert service.cancelled == 0


async def test_an_error_of_the_callers_own_iterator_comes_through() -> None:
    def items() -> Iterator[PromptItem]:
        yield ITEM
        raise errors.DataError("row 2 is broken")

    async with (
        serving([EchoService().registration()]) as channel,
        PrincipleEngineClient(channel) as client,
    ):
        with pytest.raises(errors.DataError, match="row 2 is broken"):
            _ = [row async for row in client.align_prompts(items())]


async def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("http_proxy", "https_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    async with (
        serving([EchoService().registration()]) as channel,
        PrincipleEngineClient(channel) as client,
    ):
        assert await client.align_prompt(ITEM, 5.0) == row_of(ITEM)


async def test_nobody_listens() -> None:
    async with PrincipleEngineClient(ChannelSettings(target="127.0.0.1:9")) as client:
        with pytest.raises(errors.EngineUnavailable, match=r"127\.0\.0\.1:9"):
            await client.align_prompt(ITEM, 20.0)
        with pytest.raises(errors.EngineUnavailable):
            _ = [row async for row in client.align_prompts([ITEM])]
