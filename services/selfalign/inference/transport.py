"""The HTTP connection under both client libraries: httpx2's transport over aiohttp.

httpx2's own pool caps connections silently and costs more CPU the more there are; this one has no
cap (admission has) and costs the same at any number.
"""

import ssl
from collections.abc import Callable, Mapping
from pathlib import Path

import aiohttp
import httpx2

from selfalign.errors import ConfigError

# What a request needs; client libraries add a dozen more.
_FORWARDED = ("content-type", "accept")
Rewrite = Callable[[str, Mapping[str, str], bytes], bytes]


class AiohttpTransport(httpx2.AsyncBaseTransport):
    """Sends requests and reads answers whole. Connects lazily, on the running event loop."""

    def __init__(
        self,
        *,
        token: str | None,
        connect_timeout_s: float,
        tls_ca: Path | None = None,
        rewrite: Rewrite | None = None,
    ) -> None:
        """`rewrite` turns (url, headers, body) of a 200 into the body that the client gets."""
        self._token = token
        self._connect_timeout_s = connect_timeout_s
        self._tls = _tls_context(tls_ca)
        self._rewrite = rewrite
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        content = await request.aread()
        headers = {name: request.headers[name] for name in _FORWARDED if name in request.headers}
        # Set here and nowhere else: huggingface_hub would send the user's hub token.
        if self._token:
            headers["authorization"] = f"Bearer {self._token}"
        session = self._session or self._open()
        url = str(request.url)
        try:
            async with session.request(
                request.method, url, data=content or None, headers=headers, allow_redirects=False
            ) as answer:
                body = await answer.read()
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise httpx2.ConnectError(str(error) or "connecting timed out") from error
        except (aiohttp.ClientError, OSError) as error:
            message = str(error) or type(error).__name__
            raise httpx2.ReadError(f"the connection broke: {message}") from error
        if self._rewrite is not None and answer.status == 200:
            body = self._rewrite(url, answer.headers, body)
        content_type = answer.headers.get("content-type", "")
        return httpx2.Response(answer.status, headers={"content-type": content_type}, content=body)

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=self._tls, keepalive_timeout=30),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._connect_timeout_s),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self._session


def _tls_context(tls_ca: Path | None) -> ssl.SSLContext | bool:
    if tls_ca is None:
        return True
    try:
        return ssl.create_default_context(cafile=str(tls_ca))
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"engine.tls_ca: cannot read {tls_ca}: {error}") from error
