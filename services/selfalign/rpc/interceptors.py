"""One interceptor around every RPC: admission, metrics, and exceptions as gRPC statuses.

This is the only place with a broad `except`: whatever a service raises ends here.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, NoReturn

import grpc
import grpc.aio
from google.protobuf.message import Message

from selfalign.errors import SelfAlignError
from selfalign.rpc.call_limits import OVERLOAD_RETRY_S, CallLimits, Context, Failure, refusal_of
from selfalign.rpc.call_series import KINDS, CallSeries
from selfalign.rpc.drain import Drain, DrainedRequests
from selfalign.rpc.status import DETAILS_KEY, code_of, details_of, shortened
from selfalign.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

HEALTH = "/grpc.health.v1.Health/"

# Generic in the type stubs only.
if TYPE_CHECKING:
    Interceptor = grpc.aio.ServerInterceptor[Any, Any]
    Handler = grpc.RpcMethodHandler[Any, Any]
else:
    Interceptor = grpc.aio.ServerInterceptor
    Handler = grpc.RpcMethodHandler
# A message, or the iterator of a request stream.
Request = Any
Behavior = Callable[..., Any]


class CallInterceptor(Interceptor):
    """Wraps every handler once; health checks pass untouched."""

    def __init__(self, metrics: Metrics, limits: CallLimits, drain: Drain) -> None:
        self._metrics = metrics
        self._limits = limits
        self._drain = drain
        self._running = 0
        self._wrapped: dict[str, Handler] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        method = handler_call_details.method
        if method in self._wrapped:
            return self._wrapped[method]
        handler = await continuation(handler_call_details)
        # None: an unknown method, which gRPC answers with UNIMPLEMENTED.
        if handler is None or method.startswith(HEALTH):
            return handler
        wrapped = self._wrapped[method] = self._wrap(method, handler)
        return wrapped

    def _wrap(self, method: str, handler: Handler) -> Handler:
        codec = {
            "request_deserializer": handler.request_deserializer,
            "response_serializer": handler.response_serializer,
        }
        kind = KINDS[handler.request_streaming, handler.response_streaming]
        series = CallSeries(self._metrics, kind, method)
        if handler.unary_unary:
            return grpc.unary_unary_rpc_method_handler(
                self._unary(handler.unary_unary, series), **codec
            )
        if handler.unary_stream:
            return grpc.unary_stream_rpc_method_handler(
                self._stream(handler.unary_stream, series), **codec
            )
        if handler.stream_stream:
            return grpc.stream_stream_rpc_method_handler(
                self._stream(handler.stream_stream, series), **codec
            )
        assert handler.stream_unary is not None
        return grpc.stream_unary_rpc_method_handler(
            self._unary(handler.stream_unary, series), **codec
        )

    def _unary(self, behavior: Behavior, series: CallSeries) -> Behavior:
        async def call(request: Request, context: Context) -> Message:
            started, code = self._begin(series), grpc.StatusCode.OK
            try:
                if refusal := refusal_of(self._limits, self._running, context, unary=True):
                    code = refusal.code
                    await _abort(context, refusal)
                response: Message = await behavior(self._until_drain(request, series), context)
                return response
            except grpc.aio.AbortError:
                # Ours, with its code noted; or one that the service called for itself.
                if code is grpc.StatusCode.OK:
                    code = grpc.StatusCode.UNKNOWN
                raise
            except asyncio.CancelledError:
                code = _cancelled(context)
                raise
            except Exception as error:
                failure = _failure(error, series.method)
                code = failure.code
                await _abort(context, failure)
            finally:
                self._end(series, started, code)

        return call

    def _stream(self, behavior: Behavior, series: CallSeries) -> Behavior:
        async def call(request: Request, context: Context) -> AsyncIterator[Any]:
            started, code = self._begin(series), grpc.StatusCode.OK
            request = self._until_drain(request, series)
            try:
                if refusal := refusal_of(self._limits, self._running, context, unary=False):
                    code = refusal.code
                    await _abort(context, refusal)
                async with aclosing(behavior(request, context)) as responses:
                    async for response in responses:
                        series.sent.inc()
                        yield response
            except grpc.aio.AbortError:
                # Ours, with its code noted; or one that the service called for itself.
                if code is grpc.StatusCode.OK:
                    code = grpc.StatusCode.UNKNOWN
                raise
            except (asyncio.CancelledError, GeneratorExit):
                code = _cancelled(context)
                raise
            except Exception as error:
                failure = _failure(error, series.method)
                code = failure.code
                await _abort(context, failure)
            finally:
                self._end(series, started, code)
                if isinstance(request, DrainedRequests):
                    await request.aclose()

        return call

    def _begin(self, series: CallSeries) -> float:
        self._running += 1
        series.started.inc()
        return time.perf_counter()

    def _end(self, series: CallSeries, started: float, code: grpc.StatusCode) -> None:
        self._running -= 1
        series.seconds.observe(time.perf_counter() - started)
        series.handled(code).inc()

    def _until_drain(self, request: Request, series: CallSeries) -> Request:
        if series.kind in ("bidi_stream", "client_stream"):
            return self._drain.requests(request, series.received.inc)
        return request


def _failure(error: Exception, method: str) -> Failure:
    if isinstance(error, SelfAlignError):
        code = code_of(error)
        overloaded = code is grpc.StatusCode.RESOURCE_EXHAUSTED
        # The service retried inside the deadline; a client's transparent retry would double that.
        return Failure(
            code,
            str(error),
            type(error).__name__,
            OVERLOAD_RETRY_S if overloaded else None,
            may_retry=False,
        )
    logger.exception("%s failed", method, exc_info=error)
    message = f"internal error ({type(error).__name__}); the server's log has the traceback"
    return Failure(grpc.StatusCode.INTERNAL, message, "StageError")


def _cancelled(context: Context) -> grpc.StatusCode:
    """Deadlines reach a handler as cancellation too."""
    remaining = context.time_remaining()
    if remaining is not None and remaining <= 0:
        return grpc.StatusCode.DEADLINE_EXCEEDED
    return grpc.StatusCode.CANCELLED


async def _abort(context: Context, failure: Failure) -> NoReturn:
    message = shortened(failure.message)
    details = details_of(failure.code, message, failure.reason, failure.retry_s)
    trailing: tuple[tuple[str, str | bytes], ...] = ((DETAILS_KEY, details),)
    if not failure.may_retry:
        trailing += (("grpc-retry-pushback-ms", "-1"),)
    await context.abort(failure.code, message, trailing)
