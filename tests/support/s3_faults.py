"""A proxy before a real S3 server that answers some requests wrongly, as networks do."""

import asyncio
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

import aiohttp
from aiohttp import web

Kind = Literal[
    "409",
    "412",
    "503",
    "lost-answer",
    "cut-body",
    "other-bytes",
    "error-body",
    "not-done",
]
"""What a request gets: a status in place of being carried out (409, 412, 503); carried out, and
the connection ends before the answer (lost-answer) or in the middle of its body (cut-body); carried
out, with other bytes of the same length, or with 200 and an S3 error, as its body; or 200 and not
carried out (not-done)."""
_ERROR = "<Error><Code>{0}</Code><Message>injected</Message></Error>"
_CODES = {"409": "ConditionalRequestConflict", "412": "PreconditionFailed", "503": "SlowDown"}
_HOP = {"connection", "transfer-encoding", "keep-alive", "content-encoding"}


@dataclass
class Fault:
    """The first `times` requests that match get `kind`."""

    method: str
    path: str
    """Regular expression, looked for in path and query."""
    kind: Kind
    times: int = 1
    skipped: int = 0
    """Matching requests before them, which are let through."""
    seen: int = 0

    def strikes(self, method: str, path: str) -> bool:
        if method != self.method or not re.search(self.path, path):
            return False
        if self.skipped:
            self.skipped -= 1
            return False
        if self.seen >= self.times:
            return False
        self.seen += 1
        return True


@dataclass
class FaultyS3:
    """What the proxy does, and what went through it."""

    upstream: str
    faults: list[Fault] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        path = request.raw_path
        fault = next((one for one in self.faults if one.strikes(request.method, path)), None)
        kind = fault.kind if fault else None
        if kind in _CODES:
            text = _ERROR.format(_CODES[kind])
            return web.Response(status=int(kind), text=text, content_type="application/xml")
        if kind == "not-done":
            return web.Response(headers={"ETag": '"0"'})
        response = await self._forwarded(request)
        if kind == "lost-answer":
            assert request.transport is not None
            request.transport.abort()
        if kind == "cut-body":
            return await _cut(request, response)
        body = response.body
        assert isinstance(body, bytes)
        if kind == "other-bytes":
            response.body = bytes(byte ^ 1 for byte in body)
        if kind == "error-body":
            response.body = _ERROR.format("InternalError").encode()
        return response

    async def _forwarded(self, request: web.Request) -> web.Response:
        # With the Host that was signed: the server checks the signature against it.
        async with (
            aiohttp.ClientSession(auto_decompress=False) as session,
            session.request(
                request.method,
                self.upstream + request.raw_path,
                headers={k: v for k, v in request.headers.items() if k.lower() not in _HOP},
                data=await request.read(),
                skip_auto_headers=("User-Agent", "Accept-Encoding", "Content-Type"),
            ) as answer,
        ):
            headers = {k: v for k, v in answer.headers.items() if k.lower() not in _HOP}
            if request.method != "HEAD":
                headers.pop("Content-Length", None)
            return web.Response(status=answer.status, headers=headers, body=await answer.read())


async def _cut(request: web.Request, response: web.Response) -> web.StreamResponse:
    body = response.body
    assert isinstance(body, bytes)
    begun = web.StreamResponse(status=response.status, headers=response.headers)
    begun.content_length = len(body)
    await begun.prepare(request)
    await begun.write(body[: len(body) // 2])
    assert request.transport is not None
    request.transport.abort()
    return begun


@contextmanager
def faulty_s3(upstream: str, *faults: Fault) -> Iterator[FaultyS3]:
    """The proxy in a thread of its own, for blocking clients; faults can be added while it runs."""
    proxy = FaultyS3(upstream, list(faults))
    ready, stop = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/{path:.*}", proxy.handle)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        proxy.port = runner.addresses[0][1]
        ready.set()
        await stop.wait()
        await runner.cleanup()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(10)
        yield proxy
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()
