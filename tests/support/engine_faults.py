"""Faults of the engine double: answers that are errors, and connections that break or hang."""

import asyncio
import json
import re

from aiohttp import web

# name -> (status, body, content type)
FAULTS: dict[str, tuple[int, str, str]] = {
    "429": (429, '{"error":"Model is overloaded","error_type":"overloaded"}', "application/json"),
    "424": (
        424,
        '{"error":"Request failed during generation: Server error: transport error",'
        '"error_type":"generation"}',
        "application/json",
    ),
    "422": (
        422,
        '{"error":"Input validation error: `inputs` must have less than 512 tokens. Given: 600",'
        '"error_type":"validation"}',
        "application/json",
    ),
    "422-text": (422, "Failed to deserialize the JSON body: missing field `inputs`", "text/plain"),
    "400-text": (400, "Failed to parse the request body as JSON", "text/plain"),
    "413": (413, "Failed to buffer the request body: length limit exceeded", "text/plain"),
    "401": (401, "", ""),
    "404": (404, "", ""),
    "500": (500, '{"error":"incomplete","error_type":"incomplete_generation"}', "application/json"),
    "503": (503, "upstream connect error", "text/plain"),
    "error-200": (200, '{"error":"broke","error_type":"generation"}', "application/json"),
    "bad-json": (200, '{"generated_text": "cut of', "application/json"),
    "empty": (200, "", "application/json"),
    "html": (200, "<html>a proxy's page</html>", "text/html"),
    "list": (200, "[1]", "application/json"),
}
# Nothing ever comes; the connection breaks; the text ends inside a character; null where allowed.
HANG, CUT, SPLIT, NULL = "hang", "cut", "split-utf8", "null-fields"
# Of streams: after the first token, the connection breaks, or nothing comes any more.
CUT_STREAM, HANG_STREAM = "cut-stream", "hang-stream"
HANG_S = 3600.0
MARK = re.compile(r"\{\{fault:([^}]+)\}\}")


def fault_response(name: str) -> web.Response:
    status, body, content_type = FAULTS[name]
    if not content_type:
        return web.Response(status=status)
    return web.Response(status=status, text=body, content_type=content_type)


async def begin(request: web.Request, beginning: bytes, content_type: str) -> web.StreamResponse:
    """The beginning of a body that has more bytes."""
    response = web.StreamResponse(headers={"content-type": content_type})
    response.content_length = len(beginning) + 1000
    await response.prepare(request)
    await response.write(beginning)
    return response


def broken(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    """Ends the connection in the middle of the body."""
    assert request.transport is not None
    request.transport.abort()
    return response


async def stream_response(
    request: web.Request, events: list[bytes], fault: str
) -> web.StreamResponse:
    """All events at once, or what the fault lets through."""
    if fault not in (CUT_STREAM, HANG_STREAM):
        return web.Response(body=b"".join(events), content_type="text/event-stream")
    begun = await begin(request, events[0], "text/event-stream")
    if fault == HANG_STREAM:
        await asyncio.sleep(HANG_S)
    return broken(request, begun)


def seconds_of(fault: str, delay_s: float) -> float:
    """How long an answer takes."""
    if fault == HANG:
        return HANG_S
    if fault.startswith("slow:"):
        return float(fault.removeprefix("slow:"))
    return delay_s


def with_nulls(response: web.Response) -> web.Response:
    """The same answer with null for every optional field."""
    body = json.loads(response.text or "")
    if "details" in body:
        body["details"].update(prefill=None, tokens=None, seed=None)
    else:
        body["usage"] = None
    return web.json_response(body)
