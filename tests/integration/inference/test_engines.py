"""One contract for both clients, against the engine double with its faults."""

import asyncio
from collections import deque

import huggingface_hub.constants
import pytest
from prometheus_client import generate_latest

from selfalign.errors import (
    EngineError,
    EngineOverloaded,
    EngineRejected,
    EngineTimeout,
    EngineUnauthorized,
    EngineUnavailable,
    RouteMissing,
)
from selfalign.inference.client.build import build_engine
from selfalign.inference.client.engine_settings import EngineSettings
from selfalign.inference.contract.engine import Engine
from selfalign.inference.dialects.register import DIALECTS
from selfalign.settings.sampling import SamplingParams
from selfalign.telemetry.metrics import Metrics
from support.engine_clients import FAST, client
from support.engine_double import EngineDouble

KINDS = tuple(DIALECTS)
GREEDY = SamplingParams(max_new_tokens=50)
pytestmark = pytest.mark.parametrize("kind", KINDS)


async def ask(engine: Engine, params: SamplingParams = GREEDY, deadline_s: float = 10.0) -> str:
    return (await engine.generate("Q:", params, seed=7, deadline_s=deadline_s)).text


async def test_a_completion(kind: str) -> None:
    double = EngineDouble(answer=" Paris is nice.")
    async with client(kind, double) as engine:
        completion = await engine.generate("Where to?", GREEDY, seed=1, deadline_s=10.0)
    assert completion.text == " Paris is nice."
    assert completion.finish_reason == "eos_token"
    assert (completion.prompt_tokens, completion.completion_tokens) == (3, 4)
    assert completion.latency_ms > 0


async def test_length(kind: str) -> None:
    async with client(kind, EngineDouble(answer="a b c d e")) as engine:
        params = SamplingParams(max_new_tokens=3)
        completion = await engine.generate("Q", params, seed=None, deadline_s=10.0)
    assert (completion.text, completion.finish_reason) == ("a b c", "length")


@pytest.mark.parametrize(
    ("answer", "stops", "text"),
    [
        ("one two STOP three", ("STOP",), "one two "),
        # TGI sees stops at token borders only: here the text goes on to its end.
        ("one twoSTOPthree four", ("STOP",), "one two"),
        ("b a", ("a", "b"), ""),
        ("one 1 two 2 three", ("5", "4", "3", "9", "2"), "one 1 two "),
        ("no stop in here", ("STOP",), "no stop in here"),
    ],
)
async def test_text_ends_before_the_first_stop(
    kind: str, answer: str, stops: tuple[str, ...], text: str
) -> None:
    double = EngineDouble(answer=answer)
    async with client(kind, double) as engine:
        params = SamplingParams(max_new_tokens=50, stop=stops)
        completion = await engine.generate("Q", params, seed=None, deadline_s=10.0)
    assert completion.text == text
    if text != answer:
        assert completion.finish_reason == "stop_sequence"
    assert double.requests[0].get("stop", double.requests[0].get("parameters", {}).get("stop")) == [
        *stops[:4]
    ]


async def test_requests_hold_no_refused_values(kind: str) -> None:
    double = EngineDouble()
    async with client(kind, double) as engine:
        await ask(engine, SamplingParams(max_new_tokens=9))
        warm = SamplingParams(
            max_new_tokens=9, temperature=1.0, top_p=0.9, top_k=40, repetition_penalty=1.1
        )
        await ask(engine, warm)
    greedy, sampled = double.requests
    if kind == "tgi":
        assert greedy["parameters"] == {"max_new_tokens": 9, "details": True}
        assert sampled["parameters"] == {
            "max_new_tokens": 9,
            "details": True,
            "do_sample": True,
            "temperature": 1.0,
            "top_p": 0.9,
            "top_k": 40,
            "repetition_penalty": 1.1,
            "seed": 7,
        }
    else:
        common = {"model": "double", "prompt": "Q:", "max_tokens": 9}
        assert greedy == {**common, "temperature": 0.0}
        assert sampled == {
            **common,
            "temperature": 1.0,
            "top_p": 0.9,
            "top_k": 40,
            "repetition_penalty": 1.1,
            "seed": 7,
        }


@pytest.mark.parametrize(
    ("fault", "error", "tries"),
    [
        ("422", EngineRejected, 1),
        ("422-text", EngineRejected, 1),
        ("400-text", EngineRejected, 1),
        ("413", EngineRejected, 1),
        ("404", RouteMissing, 1),
        ("401", EngineUnauthorized, 1),
        ("424", EngineUnavailable, 3),
        ("500", EngineError, 3),
        ("503", EngineUnavailable, 3),
        ("cut", EngineUnavailable, 3),
        ("error-200", EngineError, 3),
        ("bad-json", EngineError, 3),
        ("empty", EngineError, 3),
        ("html", EngineError, 3),
        ("list", EngineError, 3),
    ],
)
async def test_faults(kind: str, fault: str, error: type[EngineError], tries: int) -> None:
    metrics = Metrics()
    double = EngineDouble(faults=deque([fault] * 10))
    async with client(kind, double, metrics) as engine:
        with pytest.raises(EngineError) as raised:
            await ask(engine)
    assert type(raised.value) is error
    assert len(double.requests) == tries
    assert "http://127.0.0.1" in str(raised.value)
    outcome = {
        EngineRejected: "rejected",
        RouteMissing: "rejected",
        EngineUnauthorized: "unauthorized",
        EngineUnavailable: "unavailable",
        EngineError: "error",
    }[error]
    counted = f'selfalign_engine_requests_total{{outcome="{outcome}"}} {float(tries)}'
    assert counted in generate_latest(metrics.registry).decode()


async def test_an_answer_that_no_row_can_hold_is_one_failed_request(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    double = EngineDouble(answer=lambda text, _: "Fine." if "short" in text else "x" * 300_000)
    async with client(kind, double) as engine:
        with pytest.raises(EngineError, match=r"300,000 characters to a request of at most"):
            await ask(engine)
        monkeypatch.setattr("selfalign.inference.http.transport.MAX_BODY_BYTES", 200_000)
        with pytest.raises(EngineError, match="an answer of more than 200,000 bytes"):
            await ask(engine)
        params = SamplingParams(max_new_tokens=9)
        assert (await engine.generate("short", params, seed=1, deadline_s=9)).text == "Fine."


@pytest.mark.parametrize("fault", ["424", "500", "503", "cut", "bad-json", "429"])
async def test_faults_that_pass(kind: str, fault: str) -> None:
    double = EngineDouble(answer="Fine.", faults=deque([fault, fault]))
    async with client(kind, double) as engine:
        assert await ask(engine) == "Fine."
    assert len(double.requests) == 3


async def test_an_engine_that_stays_full_is_waited_for_until_the_deadline(kind: str) -> None:
    double = EngineDouble(faults=deque(["429"] * 1000))
    async with client(kind, double) as engine:
        with pytest.raises(EngineOverloaded, match="429"):
            await ask(engine, deadline_s=0.3)
    assert len(double.requests) > 4


async def test_nobody_listens(kind: str) -> None:
    settings = EngineSettings(
        kind="openai" if kind == "openai" else "tgi", url="http://127.0.0.1:9", model="m", **FAST
    )
    engine = build_engine(settings, Metrics())
    with pytest.raises(EngineUnavailable, match=r"127\.0\.0\.1:9.*after 3 tries"):
        await ask(engine)
    with pytest.raises(EngineUnavailable):
        await engine.info()
    await engine.close()


async def test_deadline_and_cancellation_reach_the_engine(kind: str) -> None:
    double = EngineDouble(faults=deque(["hang", "hang"]))
    async with client(kind, double) as engine:
        with pytest.raises(EngineTimeout, match=r"0\.2 s"):
            await ask(engine, deadline_s=0.2)
        call = asyncio.create_task(ask(engine))
        while double.running < 1 or len(double.requests) < 2:
            await asyncio.sleep(0.01)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        while double.running:
            await asyncio.sleep(0.01)
        assert double.dropped == 2
        assert await ask(engine) == double.answer


async def test_an_attempt_that_hangs_is_tried_again(kind: str) -> None:
    double = EngineDouble(faults=deque(["hang"]))
    async with client(kind, double, request_timeout_s=0.2) as engine:
        assert await ask(engine) == double.answer


async def test_many_at_once_without_a_hidden_cap(kind: str) -> None:
    double = EngineDouble(delay_s=1.0)
    async with client(kind, double, max_concurrency=256) as engine:
        await asyncio.gather(*(ask(engine, deadline_s=60.0) for _ in range(256)))
    assert double.most_running > 200


async def test_concurrency_is_bounded_and_waiting_is_no_error(kind: str) -> None:
    double = EngineDouble(delay_s=0.05)
    async with client(kind, double, max_concurrency=4) as engine:
        # 40 answers of 50 ms, 4 at a time, take longer than the deadline of any.
        await asyncio.gather(*(ask(engine, deadline_s=0.4) for _ in range(40)))
    assert double.most_running == 4


async def test_info_does_not_queue_behind_the_rows(kind: str) -> None:
    double = EngineDouble(delay_s=1.0)
    async with client(kind, double, max_concurrency=1) as engine:
        rows = [asyncio.create_task(ask(engine, deadline_s=60.0)) for _ in range(20)]
        await asyncio.sleep(0.1)
        async with asyncio.timeout(0.8):
            await engine.info()
        for row in rows:
            row.cancel()
        await asyncio.wait(rows)


async def test_a_small_engine_serves_many(kind: str) -> None:
    double = EngineDouble(delay_s=0.02, max_concurrent=3)
    async with client(kind, double, max_concurrency=64) as engine:
        answers = await asyncio.gather(*(ask(engine, deadline_s=60.0) for _ in range(100)))
    assert answers == [double.answer] * 100


async def test_null_fields(kind: str) -> None:
    double = EngineDouble(answer="Fine.", faults=deque(["null-fields"]))
    async with client(kind, double) as engine:
        assert await ask(engine) == "Fine."


async def test_a_prompt_that_is_no_unicode_text(kind: str) -> None:
    double = EngineDouble()
    async with client(kind, double) as engine:
        with pytest.raises(EngineRejected, match="UTF-8"):
            await engine.generate("\ud800", GREEDY, seed=1, deadline_s=10.0)
        assert (await engine.generate("\u0000 世界 🌍", GREEDY, seed=1, deadline_s=10.0)).text
    key = "inputs" if kind == "tgi" else "prompt"
    assert [request[key] for request in double.requests] == ["\u0000 世界 🌍"]


async def test_token(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "the-users-own")
    monkeypatch.setenv("OPENAI_API_KEY", "the-users-own")
    monkeypatch.setenv("ENGINE_TOKEN", "s3cret")
    double = EngineDouble(api_key="s3cret")
    async with client(kind, double, token_env="ENGINE_TOKEN") as engine:
        await ask(engine)
    async with client(kind, double) as engine:
        with pytest.raises(EngineUnauthorized, match="token_env"):
            await ask(engine)
    assert double.authorizations == ["Bearer s3cret", None]


async def test_hub_offline_mode_is_of_no_concern(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    async with client(kind, EngineDouble(answer="Fine.")) as engine:
        assert await ask(engine) == "Fine."


async def test_logprobs(kind: str) -> None:
    double = EngineDouble(logprobs={" A": -0.5, "B": -1.5, " C": -9.0})
    async with client(kind, double, top_logprobs=2) as engine:
        values = await engine.next_token_logprobs("Q", [" A", " B", " C"], deadline_s=10.0)
    assert values == [-0.5, -1.5, None]


async def test_info(kind: str) -> None:
    async with client(kind, EngineDouble()) as engine:
        info = await engine.info()
    assert info.model_id == "double"
    assert info.max_total_tokens == 2048
    assert info.max_input_tokens == (2047 if kind == "tgi" else None)


async def test_tokens_are_counted_where_the_engine_can(kind: str) -> None:
    async with client(kind, EngineDouble()) as engine:
        assert await engine.count_tokens("one two") == (3 if kind == "tgi" else None)
