"""Answers that are streams of server-sent events."""

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing

from aiohttp import web

from selfalign.model_server.api.gate import CORS


def sse(value: object) -> bytes:
    """One event: a JSON value, or a text as it is."""
    text = (
        value
        if isinstance(value, str)
        else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    )
    return f"data: {text}\n\n".encode("utf-8", "replace")


async def open_stream(request: web.Request, inputs: str) -> web.StreamResponse:
    """Sends the headers of an event stream; one of them counts the characters of `inputs`."""
    headers = {
        "content-type": "text/event-stream",
        "cache-control": "no-cache",
        "x-compute-type": "cpu",
        "x-compute-characters": str(len(inputs)),
        "x-accel-buffering": "no",
        **CORS,
    }
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    return response


async def send_events(
    request: web.Request, inputs: str, events: AsyncGenerator[bytes, None]
) -> web.StreamResponse:
    """Answers with events as they come; a client that leaves closes their generator."""
    response = await open_stream(request, inputs)
    async with aclosing(events):
        async for event in events:
            await response.write(event)
    await response.write_eof()
    return response
