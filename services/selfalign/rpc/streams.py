"""Bidirectional streams: many requests in work at once, read only while there is room."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Coroutine
from typing import Any, TypeVar

Request = TypeVar("Request")
Response = TypeVar("Response")


async def map_stream(
    requests: AsyncIterable[Request],
    handler: Callable[[Request], Coroutine[Any, Any, Response]],
    *,
    max_in_flight: int,
) -> AsyncGenerator[Response, None]:
    """Yields `handler(request)` of every request, in order of completion.

    At most `max_in_flight` requests are read and not yet yielded: beyond that nothing is read, so
    that flow control holds the sender back, also where the receiver is what is slow. An exception
    of the handler or of `requests` ends the stream. Closing or cancelling the generator cancels
    all work under way and waits for its end.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Queue[asyncio.Task[Any]] = asyncio.Queue()
    room = asyncio.Semaphore(max_in_flight)
    working: set[asyncio.Task[Response]] = set()

    async def read() -> None:
        source = aiter(requests)
        while True:
            await room.acquire()
            try:
                request = await anext(source)
            except StopAsyncIteration:
                return
            task = loop.create_task(handler(request))
            working.add(task)
            task.add_done_callback(done.put_nowait)

    reader = loop.create_task(read())
    reader.add_done_callback(done.put_nowait)
    reading = True
    try:
        while working or reading:
            task = await done.get()
            if task is reader:
                task.result()
                reading = False
                continue
            working.discard(task)
            yield task.result()
            room.release()
    finally:
        left = [task for task in (reader, *working) if not task.done()]
        for task in left:
            task.cancel()
        await asyncio.gather(reader, *working, return_exceptions=True)
