"""Retries: what is retried, for how long, and that slots come back."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfalign.errors import (
    EngineError,
    EngineOutage,
    EngineOverloaded,
    EngineRejected,
    EngineTimeout,
    EngineUnavailable,
)
from selfalign.inference.client.admission import Admission
from selfalign.inference.client.retry import RetryingCaller, RetryPolicy
from selfalign.telemetry.metrics import Metrics

POLICY = RetryPolicy(attempts=3, base_s=0.001, max_s=0.002, attempt_timeout_s=10.0)


def caller(policy: RetryPolicy = POLICY, cap: int = 8) -> RetryingCaller:
    metrics = Metrics()
    return RetryingCaller(Admission(cap, metrics), policy, metrics)


def failing(*errors: Exception) -> tuple[Callable[[], Awaitable[str]], list[float]]:
    """An attempt that raises each error in turn and then succeeds; and when it was made."""
    left: Iterator[Exception] = iter(errors)
    made: list[float] = []

    async def attempt() -> str:
        made.append(time.monotonic())
        error = next(left, None)
        if error is not None:
            raise error
        return "good"

    return attempt, made


@pytest.mark.parametrize(
    ("errors", "result"),
    [
        ([], "good"),
        ([EngineUnavailable("x")] * 3, "good"),
        ([EngineUnavailable("x")] * 4, EngineUnavailable),
        ([EngineError("x")] * 4, EngineError),
        ([EngineOverloaded("x")] * 20, "good"),
        ([EngineUnavailable("x"), EngineRejected("x")], EngineRejected),
    ],
)
async def test_what_is_retried(errors: list[Exception], result: str | type[Exception]) -> None:
    engine = caller()
    attempt, _ = failing(*errors)
    if isinstance(result, str):
        assert await engine.run(attempt, 10.0) == result
    else:
        with pytest.raises(result) as raised:
            await engine.run(attempt, 10.0)
        assert type(raised.value) is result
    assert engine.admission.inflight == 0


async def test_the_deadline_ends_retries_and_hangs() -> None:
    engine = caller(RetryPolicy(attempts=50, base_s=0.05, max_s=0.1, attempt_timeout_s=10.0))
    attempt, made = failing(*[EngineUnavailable("down")] * 100)
    started = time.monotonic()
    with pytest.raises(EngineUnavailable, match=r"down \(after \d+ tries within 0\.3 s\)"):
        await engine.run(attempt, 0.3)
    assert time.monotonic() - started < 2.0
    assert len(made) >= 2

    async def hang() -> str:
        await asyncio.sleep(60)
        return ""

    with pytest.raises(EngineTimeout, match=r"within 0\.1 s"):
        await engine.run(hang, 0.1)
    assert engine.admission.inflight == 0


PATIENT = RetryPolicy(
    attempts=1, base_s=0.001, max_s=0.002, attempt_timeout_s=10.0, outage_patience_s=0.5
)
DOWN = EngineUnavailable("refused")


async def test_an_engine_that_had_answered_is_waited_for_beyond_retries_and_deadline() -> None:
    engine = caller(PATIENT)
    answers, _ = failing()
    await engine.run(answers, 1.0)
    back = time.monotonic() + 0.2

    async def away() -> str:
        if time.monotonic() < back:
            raise DOWN
        return "good"

    assert await asyncio.gather(*(engine.run(away, 0.05) for _ in range(8))) == ["good"] * 8
    assert engine.admission.inflight == 0


async def test_an_outage_that_is_too_long_is_told_apart_from_a_failed_call() -> None:
    engine = caller(PATIENT)
    answers, _ = failing()
    await engine.run_unqueued(answers, 1.0)
    down, _ = failing(*[DOWN] * 10_000)
    started = time.monotonic()
    with pytest.raises(EngineOutage, match=r"refused \(no answer .* longer than engine.outage_pat"):
        await engine.run(down, 60.0)
    assert 0.5 <= time.monotonic() - started < 5
    with pytest.raises(EngineOutage):
        await asyncio.wait_for(engine.run(down, 60.0), 0.2)
    await engine.run(answers, 1.0)
    briefly, _ = failing(*[DOWN] * 5)
    assert await engine.run(briefly, 1.0) == "good", "the next outage has a patience of its own"


async def test_a_call_that_fails_while_others_are_answered_has_a_fault_of_its_own() -> None:
    engine = caller(PATIENT)
    answers, _ = failing()

    async def others() -> None:
        while True:
            await engine.run(answers, 1.0)
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(others())
        await asyncio.sleep(0.01)
        poison, made = failing(*[DOWN] * 100)
        with pytest.raises(EngineUnavailable, match=r"after .* tries") as caught:
            await engine.run(poison, 60.0)
        running.cancel()
    assert type(caught.value) is EngineUnavailable
    assert len(made) <= 4


async def test_an_address_that_never_answered_is_not_waited_for() -> None:
    down, made = failing(*[DOWN] * 100)
    with pytest.raises(EngineUnavailable, match="after 2 tries") as caught:
        await caller(PATIENT).run(down, 60.0)
    assert type(caught.value) is EngineUnavailable
    assert len(made) == 2


async def test_waiting_for_a_slot_is_not_on_the_clock() -> None:
    engine = caller(cap=1)

    async def slow() -> str:
        await asyncio.sleep(0.06)
        return "good"

    answers = await asyncio.gather(*(engine.run(slow, 0.2) for _ in range(8)))
    assert answers == ["good"] * 8


async def test_a_pause_holds_no_slot() -> None:
    engine = caller(RetryPolicy(attempts=3, base_s=30.0, max_s=30.0, attempt_timeout_s=10.0), cap=1)
    attempt, _ = failing(EngineUnavailable("x"))
    stuck = asyncio.create_task(engine.run(attempt, 600.0))
    await asyncio.sleep(0.01)
    quick, _ = failing()
    assert await engine.run(quick, 1.0) == "good"
    stuck.cancel()
    await asyncio.wait([stuck])
    assert engine.admission.inflight == 0


async def test_slow_answers_lower_the_limit() -> None:
    engine = caller(cap=10)

    async def slow() -> str:
        await asyncio.sleep(0.08)
        return "good"

    await asyncio.gather(*(engine.run(slow, 0.12) for _ in range(10)))
    assert engine.admission.limit < 10


@given(st.integers(min_value=1, max_value=10_000))
def test_backoff_is_bounded(retry: int) -> None:
    policy = RetryPolicy(attempts=1, base_s=0.5, max_s=8.0, attempt_timeout_s=1.0)
    assert 0.0 <= policy.backoff(retry) <= min(8.0, 0.5 * 2.0 ** min(retry, 30))
