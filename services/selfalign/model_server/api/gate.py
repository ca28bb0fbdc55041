"""What every request passes: the API key, errors as TGI answers them, CORS headers."""

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web

from selfalign.model_server.api.generator import ServiceError
from selfalign.model_server.api.request_bodies import BodyError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
CORS = {
    "vary": "origin, access-control-request-method, access-control-request-headers",
    "access-control-allow-origin": "*",
}
PREFLIGHT = {
    "access-control-allow-methods": "GET,POST",
    "access-control-allow-headers": "content-type",
}


@dataclass(slots=True)
class Gate:
    """Counts the open requests, so that a stopping server can wait for them."""

    api_key: str | None = None
    open_requests: int = 0
    """Requests whose answer is not complete."""
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while there are none."""

    def __post_init__(self) -> None:
        self.idle.set()

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Errors as TGI answers them, the API key, CORS headers, the count of open requests."""
        self.open_requests += 1
        self.idle.clear()
        try:
            response = await self._answer(request, handler)
        finally:
            self.open_requests -= 1
            if not self.open_requests:
                self.idle.set()
        if not response.prepared:
            response.headers.update(CORS)
        return response

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method == "POST" and not self._authorised(request):
            return web.Response(status=401)
        try:
            return await handler(request)
        except ServiceError as error:
            return web.json_response(error.body(), status=error.status)
        except BodyError as error:
            return web.Response(text=error.message, status=error.status)
        except web.HTTPMethodNotAllowed as error:
            allow = {"allow": ",".join(sorted(error.allowed_methods))}
            if request.method == "OPTIONS":
                return web.Response(headers={**PREFLIGHT, **allow})
            return web.Response(status=error.status, headers=allow)
        except web.HTTPException as error:
            return web.Response(status=error.status)

    def _authorised(self, request: web.Request) -> bool:
        key = self.api_key
        if key is None:
            return True
        # aiohttp hands on bytes that are not UTF-8 as surrogates
        given = request.headers.get("authorization", "").lower().encode(errors="surrogateescape")
        return hmac.compare_digest(given, f"bearer {key}".lower().encode())
