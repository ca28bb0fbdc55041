"""Errors to gRPC statuses with google.rpc details, and back to the same error types."""

from typing import Any

import grpc
import grpc.aio
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2

from selfalign import errors
from selfalign.errors import SelfAlignError

DOMAIN = "selfalign"
DETAILS_KEY = "grpc-status-details-bin"
# Status and details travel as HTTP/2 headers, of which peers accept 8 KiB by default, and a
# character may take nine bytes there.
MAX_MESSAGE = 700

_BY_NAME: dict[str, type[SelfAlignError]] = {
    name: value
    for name, value in vars(errors).items()
    if isinstance(value, type) and issubclass(value, SelfAlignError)
}
_BY_CODE: dict[grpc.StatusCode, type[SelfAlignError]] = {
    grpc.StatusCode.UNAVAILABLE: errors.EngineUnavailable,
    # A call that we did not cancel ourselves was cut off by a server that went away.
    grpc.StatusCode.CANCELLED: errors.EngineUnavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: errors.EngineTimeout,
    grpc.StatusCode.RESOURCE_EXHAUSTED: errors.EngineOverloaded,
    grpc.StatusCode.INVALID_ARGUMENT: errors.DataError,
    grpc.StatusCode.UNAUTHENTICATED: errors.ConfigError,
    grpc.StatusCode.PERMISSION_DENIED: errors.ConfigError,
    grpc.StatusCode.UNIMPLEMENTED: errors.ConfigError,
}


def code_of(error: SelfAlignError) -> grpc.StatusCode:
    """The status code that the error's class names."""
    return grpc.StatusCode[error.grpc_status]


def details_of(
    code: grpc.StatusCode, message: str, reason: str, retry_s: float | None = None
) -> bytes:
    """A serialised google.rpc.Status with ErrorInfo, and RetryInfo where a retry makes sense."""
    status = status_pb2.Status(code=code.value[0], message=message)
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN))
    if retry_s is not None:
        delay = Duration()
        delay.FromMilliseconds(round(retry_s * 1e3))
        status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=delay))
    serialized: bytes = status.SerializeToString()
    return serialized


def shortened(message: str) -> str:
    """The message, cut to what fits the headers."""
    return message if len(message) <= MAX_MESSAGE else f"{message[: MAX_MESSAGE - 4]} ..."


def error_from_rpc(error: grpc.aio.AioRpcError, target: str) -> SelfAlignError:
    """The error that the service raised, with its message; or the one nearest to the status."""
    message = error.details() or error.code().name
    kind = _BY_NAME.get(_reason(error))
    if kind is not None:
        return kind(message)
    kind = _BY_CODE.get(error.code(), errors.StageError)
    return kind(f"{target}: {message} ({error.code().name})")


def _reason(error: grpc.aio.AioRpcError) -> str:
    metadata: Any = error.trailing_metadata() or ()
    for key, value in metadata:
        if key != DETAILS_KEY or not isinstance(value, bytes):
            continue
        status = status_pb2.Status.FromString(value)
        for detail in status.details:
            info = error_details_pb2.ErrorInfo()
            if detail.Unpack(info) and info.domain == DOMAIN:
                return str(info.reason)
    return ""
