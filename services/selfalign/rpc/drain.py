"""Shutting down without losing work: request streams end early, what was read is answered."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from google.protobuf.message import Message

Messages = AsyncIterator[Message]


class Drain:
    """Whether the server drains, and whom to wake when it begins to."""

    def __init__(self) -> None:
        self.begun = False
        self._readers: set[DrainedRequests] = set()

    def begin(self) -> None:
        """Ends all request streams, as if their clients had closed them."""
        self.begun = True
        for reader in list(self._readers):
            reader.wake()

    def requests(self, requests: Messages, seen: Callable[[], None]) -> "DrainedRequests":
        """The same requests until the drain begins; `seen` is called for each."""
        return DrainedRequests(self, requests, seen)

    def enter(self, reader: "DrainedRequests") -> None:
        self._readers.add(reader)

    def leave(self, reader: "DrainedRequests") -> None:
        self._readers.discard(reader)


class DrainedRequests:
    """Requests of one stream."""

    def __init__(self, drain: Drain, requests: Messages, seen: Callable[[], None]) -> None:
        self._drain = drain
        self._requests = aiter(requests)
        self._reader: asyncio.Task[Any] | None = None
        self._woken = False
        self._seen = seen

    def __aiter__(self) -> "DrainedRequests":
        return self

    async def __anext__(self) -> Message:
        if self._drain.begun:
            raise StopAsyncIteration
        task = self._reader = asyncio.current_task()
        assert task is not None
        cancelling = task.cancelling()
        self._drain.enter(self)
        try:
            request = await anext(self._requests)
        except asyncio.CancelledError:
            # The way of asyncio.timeout: only a cancellation of our own making is swallowed.
            if self._woken and task.uncancel() <= cancelling:
                raise StopAsyncIteration from None
            raise
        finally:
            self._drain.leave(self)
            self._reader = None
        self._seen()
        return request

    def wake(self) -> None:
        """Interrupts the wait for the next request."""
        if self._reader is not None and not self._woken:
            self._woken = True
            self._reader.cancel()

    async def aclose(self) -> None:
        """Ends gRPC's generator, which would otherwise wait for the garbage collector."""
        close = getattr(self._requests, "aclose", None)
        if close is not None and self._reader is None:
            await close()
