"""Bounded concurrency over an engine, and which of its errors cost only one item."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from selfalign.errors import (
    EngineError,
    EngineUnauthorized,
    EngineUnavailable,
    LogprobsUnsupported,
    PromptTooLong,
)

T = TypeVar("T")
R = TypeVar("R")

Progress = Callable[[str, int, int], None]
"""Called with (phase, done, total) after each request."""


def no_progress(phase: str, done: int, total: int) -> None:
    """The default: reports nothing."""


@dataclass(frozen=True, slots=True)
class ItemFailure:
    """Why an item's request failed."""

    reason: str
    """Name of the error type, e.g. EngineTimeout."""
    evidence: str
    """Its message."""


async def catch_item_failure(call: Awaitable[R]) -> R | ItemFailure:
    """The call's result, or its failure where that concerns this one request.

    Raises:
        EngineUnavailable, EngineUnauthorized, LogprobsUnsupported: all requests would fail alike,
            and figures over the few that did not would mislead: the evaluation must stop.
    """
    try:
        return await call
    except (EngineUnavailable, EngineUnauthorized, LogprobsUnsupported):
        raise
    except (EngineError, PromptTooLong) as error:
        return ItemFailure(type(error).__name__, str(error))


async def map_bounded(
    function: Callable[[T], Awaitable[R]],
    items: Sequence[T],
    limit: int,
    tick: Callable[[int, int], None] = lambda done, total: None,
) -> list[R]:
    """`function` of each item, at most `limit` under way at once, results in the items' order.

    Items start in order, so that neighbours with a common prefix meet in the engine. The first
    exception cancels what is under way and is raised.
    """
    results: dict[int, R] = {}
    source = iter(enumerate(items))

    async def work() -> None:
        for index, item in source:
            results[index] = await function(item)
            tick(len(results), len(items))

    workers = [asyncio.create_task(work()) for _ in range(min(limit, len(items)))]
    try:
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    return [results[index] for index in range(len(items))]
