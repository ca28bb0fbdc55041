"""A request to an engine and its response, as every dialect builds and reads them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from selfalign.errors import EngineRejected


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """What is sent."""

    method: Literal["GET", "POST"]
    url: str
    body: Mapping[str, object] | None = None
    """JSON; none with GET."""

    def content(self) -> bytes | None:
        """The body as bytes: UTF-8, not escapes, so that a prompt is no longer than it has to be.

        Raises:
            EngineRejected: a text in it holds half a surrogate pair.
        """
        if self.body is None:
            return None
        try:
            return json.dumps(self.body, ensure_ascii=False, separators=(",", ":")).encode()
        except UnicodeEncodeError as error:
            raise EngineRejected(f"the prompt cannot be sent as UTF-8: {error}") from error


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """What came back, whole."""

    url: str
    """Of the request."""
    status: int
    headers: Mapping[str, str]
    """Names in lower case find their values."""
    body: bytes

    @property
    def text(self) -> str:
        """The body for messages; bytes that are no UTF-8 are replaced."""
        return self.body.decode(errors="replace")
