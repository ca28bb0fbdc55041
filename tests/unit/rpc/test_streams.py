"""map_stream: order, back-pressure, cancellation, no leaks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfalign.rpc.streams import map_stream


class Source:
    """Counts what is read of it."""

    def __init__(self, count: int, error: Exception | None = None) -> None:
        self.read = 0
        self._count = count
        self._error = error

    async def __aiter__(self) -> AsyncIterator[int]:
        for number in range(self._count):
            self.read += 1
            yield number
        if self._error is not None:
            raise self._error


@given(st.lists(st.integers(0, 3), max_size=30), st.integers(1, 8))
def test_every_request_is_answered_once(delays: list[int], max_in_flight: int) -> None:
    running = most = 0

    async def handler(number: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(delays[number]):
            await asyncio.sleep(0)
        running -= 1
        return number

    async def collect() -> list[int]:
        stream = map_stream(Source(len(delays)), handler, max_in_flight=max_in_flight)
        return [number async for number in stream]

    assert sorted(asyncio.run(collect())) == list(range(len(delays)))
    assert most <= max_in_flight
    assert running == 0


async def test_results_come_as_they_are_done() -> None:
    async def handler(number: int) -> int:
        await asyncio.sleep(0.05 if number == 0 else 0.0)
        return number

    stream = map_stream(Source(5), handler, max_in_flight=5)
    assert [number async for number in stream][-1] == 0


async def test_a_slow_receiver_holds_the_reading_back() -> None:
    source = Source(1000)

    async def handler(number: int) -> int:
        return number

    async with aclosing(map_stream(source, handler, max_in_flight=4)) as stream:
        async for _ in stream:
            await asyncio.sleep(0.01)
            break
        await asyncio.sleep(0.01)
        assert source.read <= 5


async def test_a_failing_handler_ends_the_stream_and_the_rest_of_the_work() -> None:
    ended = 0

    async def handler(number: int) -> int:
        nonlocal ended
        if number == 2:
            raise ValueError("two")
        try:
            await asyncio.sleep(60)
        finally:
            ended += 1
        return number

    with pytest.raises(ValueError, match="two"):
        async for _ in map_stream(Source(5), handler, max_in_flight=5):
            pass
    assert ended == 4
    assert len(asyncio.all_tasks()) == 1


async def test_a_failing_source_ends_the_stream_after_what_was_done() -> None:
    async def handler(number: int) -> int:
        return number

    with pytest.raises(ValueError, match="source"):
        async for _ in map_stream(Source(3, ValueError("source")), handler, max_in_flight=2):
            pass
    assert len(asyncio.all_tasks()) == 1


async def test_cancelling_cancels_all_work() -> None:
    running = 0

    async def handler(number: int) -> int:
        nonlocal running
        running += 1
        try:
            await asyncio.sleep(60)
        finally:
            running -= 1
        return number

    async def consume() -> None:
        async with aclosing(map_stream(Source(10), handler, max_in_flight=4)) as stream:
            async for _ in stream:
                pass

    consumer = asyncio.create_task(consume())
    while running < 4:
        await asyncio.sleep(0)
    consumer.cancel()
    await asyncio.wait([consumer])
    assert running == 0
    assert len(asyncio.all_tasks()) == 1
