"""One engine's HTTP connections, over aiohttp.

httpx2's own pool, which both client libraries use, caps connections silently and costs more CPU
the more there are. This one has no cap, since admission has, and costs the same at any number.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from selfalign.errors import ConfigError, EngineUnavailable


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A whole answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")


class Http:
    """Sends requests and reads answers whole. Connects lazily, on the running event loop.

    Requests carry our own headers only: client libraries would add the user's tokens for other
    services.
    """

    def __init__(self, token: str | None, connect_timeout_s: float, tls_ca: Path | None) -> None:
        self._headers = {"accept": "application/json"}
        if token:
            self._headers["authorization"] = f"Bearer {token}"
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout_s)
        self._tls = _tls_context(tls_ca)
        self._session: aiohttp.ClientSession | None = None

    async def request(self, method: str, url: str, body: bytes | None = None) -> HttpAnswer:
        """The answer, whatever its status; `body` is JSON.

        Raises:
            EngineUnavailable: no connection, or it broke.
        """
        session = self._session or self._open()
        headers = {"content-type": "application/json"} if body else None
        try:
            async with session.request(
                method, url, data=body, headers=headers, allow_redirects=False
            ) as answer:
                return HttpAnswer(answer.status, answer.headers, await answer.read())
        except (aiohttp.ClientError, OSError) as error:
            what = str(error) or type(error).__name__
            raise EngineUnavailable(f"{url}: {what}") from error

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


def _tls_context(tls_ca: Path | None) -> ssl.SSLContext | bool:
    if tls_ca is None:
        return True
    try:
        return ssl.create_default_context(cafile=str(tls_ca))
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"engine.tls_ca: cannot read {tls_ca}: {error}") from error
