"""Streams through the libraries' clients: their texts are those of our engine, whatever happens."""

import asyncio
import time
from collections import deque
from contextlib import aclosing
from typing import Any

import huggingface_hub.constants
import pytest

from selfalign.errors import EngineError, EngineRejected, EngineTimeout
from selfalign.inference.dialects.register import DIALECTS
from selfalign.inference.streams.text import stream_text
from selfalign.settings.sampling import SamplingParams
from support.engine_clients import connected, engine_settings
from support.engine_double import EngineDouble, serving

GREEDY = SamplingParams(max_new_tokens=50)
KINDS = tuple(DIALECTS)
MODEL = "smollm2-135m"


async def stream(
    kind: str,
    url: str,
    params: SamplingParams = GREEDY,
    *,
    prompt: str = "Q:",
    deadline_s: float = 10.0,
    model: str = "double",
    **settings: Any,
) -> list[str]:
    """The pieces of one answer."""
    async with connected(kind, url, model, **settings) as engine:
        pieces = stream_text(
            engine_settings(kind, url, model, **settings),
            engine,
            prompt,
            params,
            seed=7,
            deadline_s=deadline_s,
        )
        return [piece async for piece in pieces]


@pytest.mark.parametrize("kind", KINDS)
async def test_tokens_come_one_by_one(kind: str) -> None:
    double = EngineDouble(answer=" Paris is nice.")
    async with serving(double) as url:
        assert await stream(kind, url) == [" Paris", " is", " nice."]
    assert [request["stream"] for request in double.requests] == [True]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_stream_ends_before_its_first_stop(kind: str) -> None:
    params = SamplingParams(max_new_tokens=50, stop=("\n\nUser:", "STOP"))
    async with serving(EngineDouble(answer="one two\n\nUse it.\n\nUser: three")) as url:
        assert "".join(await stream(kind, url, params)) == "one two\n\nUse it."
    async with serving(EngineDouble(answer="one twoSTOPthree four")) as url:
        assert "".join(await stream(kind, url, params)) == "one two"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", ["429", "424", "500", "503", "cut", "bad-json", "html"])
async def test_a_stream_that_does_not_begin_is_asked_for_as_a_whole(kind: str, fault: str) -> None:
    double = EngineDouble(answer=" Paris is nice.", faults=deque([fault]))
    async with serving(double) as url:
        assert await stream(kind, url) == [" Paris is nice."]
    assert [request.get("stream") for request in double.requests] == [True, None]


@pytest.mark.parametrize("kind", KINDS)
async def test_errors_are_those_of_the_engine(kind: str) -> None:
    async with serving(EngineDouble(faults=deque(["422"] * 2))) as url:
        with pytest.raises(EngineRejected, match="answered 422: Input validation error"):
            await stream(kind, url)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_stream_that_breaks_off_is_an_error(kind: str) -> None:
    async with serving(EngineDouble(faults=deque(["cut-stream"]))) as url:
        with pytest.raises(EngineError, match=r"http://127\.0\.0\.1"):
            await stream(kind, url)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", ["hang", "hang-stream"])
async def test_the_deadline_ends_a_stream_and_the_engines_work(kind: str, fault: str) -> None:
    double = EngineDouble(faults=deque([fault]))
    async with serving(double) as url:
        with pytest.raises(EngineTimeout, match=r"0\.3 s"):
            await stream(kind, url, deadline_s=0.3)
        while double.running:
            await asyncio.sleep(0.01)
    assert double.dropped == 1


@pytest.mark.parametrize("kind", KINDS)
async def test_a_stream_that_is_left_ends_the_engines_work(kind: str) -> None:
    double = EngineDouble(faults=deque(["hang-stream"]))
    async with serving(double) as url, connected(kind, url, "double") as engine:
        settings = engine_settings(kind, url, "double")
        pieces = stream_text(settings, engine, "Q:", GREEDY, seed=None, deadline_s=10.0)
        async with aclosing(pieces):
            assert await anext(pieces) == " Paris"
        while double.running:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("kind", KINDS)
async def test_tokens_of_other_services_stay_at_home(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "the-users-own")
    monkeypatch.setenv("OPENAI_API_KEY", "the-users-own")
    monkeypatch.setenv("ENGINE_TOKEN", "s3cret")
    double = EngineDouble()
    async with serving(double) as url:
        await stream(kind, url, token_env="ENGINE_TOKEN")
        await stream(kind, url)
    assert double.authorizations == ["Bearer s3cret", "Bearer unused"]


async def test_hub_offline_mode_costs_the_stream_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    async with serving(EngineDouble(answer=" Paris is nice.")) as url:
        assert await stream("tgi", url) == [" Paris is nice."]


@pytest.mark.model
@pytest.mark.parametrize("kind", KINDS)
async def test_the_real_server_streams_what_it_answers(kind: str, model_server: str) -> None:
    prompt, params = "The capital of France is", SamplingParams(max_new_tokens=12, stop=(" is",))
    async with connected(kind, model_server, MODEL) as engine:
        whole = await engine.generate(prompt, params, seed=7, deadline_s=60.0)
        settings = engine_settings(kind, model_server, MODEL)
        pieces, times = list[str](), list[float]()
        async for piece in stream_text(settings, engine, prompt, params, seed=7, deadline_s=60.0):
            pieces.append(piece)
            times.append(time.monotonic())
    assert "".join(pieces) == whole.text
    assert len(pieces) > 1
    assert times[0] < times[-1]
