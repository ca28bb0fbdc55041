"""Bounded concurrency: order, limit, errors, cancellation."""

import asyncio

import pytest

from selfalign.errors import (
    EngineRejected,
    EngineTimeout,
    EngineUnauthorized,
    EngineUnavailable,
    PromptTooLong,
    SelfAlignError,
)
from selfalign.evaluation.concurrency import ItemFailure, catch_item_failure, map_bounded


async def test_results_keep_order_and_the_limit_holds() -> None:
    running, most, started = 0, 0, []

    async def double(item: int) -> int:
        nonlocal running, most
        started.append(item)
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001 * (item % 3))
        running -= 1
        return 2 * item

    ticks: list[tuple[int, int]] = []
    found = await map_bounded(double, range(50), 4, lambda *tick: ticks.append(tick))
    assert found == [2 * item for item in range(50)]
    assert most == 4
    assert started == list(range(50))
    assert ticks == [(done, 50) for done in range(1, 51)]
    assert await map_bounded(double, [], 4) == []


async def test_the_first_error_cancels_the_rest() -> None:
    cancelled = 0

    async def work(item: int) -> None:
        nonlocal cancelled
        if item == 2:
            raise EngineUnavailable("gone")
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled += 1
            raise

    with pytest.raises(EngineUnavailable, match="gone"):
        await map_bounded(work, range(10), 3)
    assert cancelled == 2


async def test_cancelling_the_caller_cancels_the_requests() -> None:
    cancelled = asyncio.Event()

    async def work(item: int) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.set()

    task = asyncio.create_task(map_bounded(work, [1], 1))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cancelled.is_set()


async def fail(error: SelfAlignError) -> None:
    raise error


@pytest.mark.parametrize("error", [EngineTimeout("slow"), EngineRejected("no"), PromptTooLong("x")])
async def test_an_items_own_failure_is_recorded(error: SelfAlignError) -> None:
    assert await catch_item_failure(fail(error)) == ItemFailure(type(error).__name__, str(error))


@pytest.mark.parametrize("error", [EngineUnavailable("down"), EngineUnauthorized("token")])
async def test_a_dead_engine_stops_everything(error: SelfAlignError) -> None:
    with pytest.raises(type(error)):
        await catch_item_failure(fail(error))
