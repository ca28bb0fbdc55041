"""What a call must keep to before it starts: a token, a deadline, room."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio

from selfalign.rpc.auth import BearerTokens

OVERLOAD_RETRY_S = 1.0

# Generic in the type stubs only.
if TYPE_CHECKING:
    Context = grpc.aio.ServicerContext[Any, Any]
else:
    Context = grpc.aio.ServicerContext


@dataclass(frozen=True, slots=True)
class CallLimits:
    """The server's limits; see ServerSettings."""

    max_concurrent_rpcs: int
    max_deadline_s: float
    tokens: BearerTokens | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """How an RPC ends that does not end well."""

    code: grpc.StatusCode
    message: str
    reason: str
    """Name of the error type that the client shall raise."""
    retry_s: float | None = None
    may_retry: bool = True
    """Whether the client's channel may retry by itself."""


def refusal_of(
    limits: CallLimits, running: int, context: Context, *, unary: bool
) -> Failure | None:
    """Why the call must not start, if so. `running` counts it already."""
    if limits.tokens is not None:
        metadata = dict(context.invocation_metadata() or ())
        if not limits.tokens.accepts(metadata.get("authorization")):
            return Failure(
                grpc.StatusCode.UNAUTHENTICATED,
                "expected metadata `authorization: Bearer <token>` with a token of this server",
                "ConfigError",
            )
    if running > limits.max_concurrent_rpcs:
        return Failure(
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            f"{limits.max_concurrent_rpcs} calls are running, which is max_concurrent_rpcs",
            "EngineOverloaded",
            retry_s=OVERLOAD_RETRY_S,
        )
    return _deadline_refusal(limits, context) if unary else None


def _deadline_refusal(limits: CallLimits, context: Context) -> Failure | None:
    """Streams are free of deadlines: a worker's lasts as long as its share of a stage."""
    remaining = context.time_remaining()
    if remaining is not None and remaining <= limits.max_deadline_s:
        return None
    given = "has no deadline" if remaining is None else f"has {remaining:.0f} s to go"
    return Failure(
        grpc.StatusCode.INVALID_ARGUMENT,
        f"the call {given}; expected a deadline of at most {limits.max_deadline_s:g} s "
        "(grpcurl: -max-time)",
        "ConfigError",
    )
