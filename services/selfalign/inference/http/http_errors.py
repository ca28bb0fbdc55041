"""HTTP answers that are no success, as our own errors."""

import json

from pydantic import JsonValue

from selfalign.errors import (
    EngineError,
    EngineOverloaded,
    EngineRejected,
    EngineUnauthorized,
    EngineUnavailable,
    RouteMissing,
)
from selfalign.inference.http.http_messages import HttpResponse

MAX_BODY = 500
# TGI's 424 when its shard is gone, as opposed to a generation that failed.
_SHARD_GONE = ("transport error", "trying to connect", "Connection refused")


def status_error(response: HttpResponse) -> EngineError:
    """The error of a status other than 200. Bodies may be JSON, plain text or empty."""
    status, body = response.status, response.text
    text = f"{response.url} answered {status}: {error_text(body) or 'no further word'}"
    if status in (401, 403):
        return EngineUnauthorized(
            f"{text}; expected a token that the engine accepts, in the environment variable that "
            "engine.token_env names"
        )
    if status == 429:
        return EngineOverloaded(text)
    if status in (404, 405):
        return RouteMissing(f"{text}; are engine.url and engine.kind those of this server?")
    if status == 413:
        return EngineRejected(f"{text}; the prompt is larger than the engine's payload limit")
    if status == 424:
        gone = any(sign in body for sign in _SHARD_GONE)
        return EngineUnavailable(text) if gone else EngineError(text)
    if status in (502, 503, 504):
        return EngineUnavailable(text)
    if 400 <= status < 500 and status not in (408, 425):
        return EngineRejected(text)
    return EngineError(text)


def error_text(body: str) -> str:
    """The message of an error body in TGI's or OpenAI's shape, or its text, shortened."""
    message: JsonValue
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        message = body
    if isinstance(message, dict):
        message = message.get("error", message.get("message", message))
    if isinstance(message, dict):
        message = message.get("message", message)
    text = str(message).strip()
    return text if len(text) <= MAX_BODY else f"{text[:MAX_BODY]} ..."


def unknown_end(response: HttpResponse, reason: str) -> EngineError:
    """The error of an answer that ended, as the engine says, for a reason that we do not know.

    `abort`, `error` and `content_filter` are such: what was written so far is no whole answer.
    """
    return EngineError(
        f"{response.url} ended its answer with the finish reason {reason!r:.100}; expected one "
        "that tells whether the answer is whole"
    )


def not_an_answer(response: HttpResponse) -> EngineError:
    """The error of a 200 that carries something else than what was asked for."""
    said = error_text(response.text) or "empty"
    return EngineError(f"{response.url} answered 200 without a completion: {said}")
