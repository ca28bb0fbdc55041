"""One engine's HTTP connections, over aiohttp.

The pool has no cap, since admission has one, and costs the same at any number of connections.
"""

import ssl
from pathlib import Path

import aiohttp

from selfalign.errors import ConfigError, EngineError, EngineUnavailable
from selfalign.inference.http.http_messages import HttpRequest, HttpResponse

MAX_BODY_BYTES = 16 << 20
"""Of one answer. TGI lists the tokens of a prompt at about 100 bytes each."""


class HttpTransport:
    """Sends requests and reads responses whole. Connects lazily, on the running event loop."""

    def __init__(self, token: str | None, connect_timeout_s: float, tls_ca: Path | None) -> None:
        self._headers = {"accept": "application/json"}
        if token:
            self._headers["authorization"] = f"Bearer {token}"
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout_s)
        self._tls = True if tls_ca is None else tls_context(tls_ca)
        self._session: aiohttp.ClientSession | None = None

    async def send(self, request: HttpRequest) -> HttpResponse:
        """The response, whatever its status. Redirects are not followed.

        Raises:
            EngineRejected: the body cannot be sent as UTF-8.
            EngineUnavailable: no connection, or it broke.
            EngineError: the answer is larger than MAX_BODY_BYTES.
        """
        session = self._session or self._open()
        content = request.content()
        headers = {"content-type": "application/json"} if content else None
        try:
            async with session.request(
                request.method, request.url, data=content, headers=headers, allow_redirects=False
            ) as answer:
                body = await _read(answer)
                return HttpResponse(request.url, answer.status, answer.headers, body)
        except (aiohttp.ClientError, OSError) as error:
            what = str(error) or type(error).__name__
            raise EngineUnavailable(f"{request.url}: {what}") from error

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=self._tls, keepalive_timeout=30),
            timeout=self._timeout,
            headers=self._headers,
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self._session


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    """The body, of which no more is held than it may have."""
    body = bytearray()
    async for chunk in answer.content.iter_any():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise EngineError(f"{answer.url}: an answer of more than {MAX_BODY_BYTES:,} bytes")
    return bytes(body)


def tls_context(tls_ca: Path) -> ssl.SSLContext:
    """Trust in the certificates of a file, and in no others.

    Raises:
        ConfigError: the file cannot be read.
    """
    try:
        return ssl.create_default_context(cafile=str(tls_ca))
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"engine.tls_ca: cannot read {tls_ca}: {error}") from error
