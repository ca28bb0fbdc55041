"""What the typed clients share: calling, streaming, and errors on the way back."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable
from types import TracebackType
from typing import Any, Self

import grpc
import grpc.aio

from selfalign.errors import ConfigError, EngineUnavailable
from selfalign.rpc.channel import ChannelSettings, open_channel
from selfalign.rpc.convert import row_from_message
from selfalign.rpc.credentials import read_bytes
from selfalign.rpc.status import error_from_rpc
from selfalign.storage.rows import PromptItem, Row

Items = AsyncIterable[PromptItem] | Iterable[PromptItem]
Metadata = tuple[tuple[str, str], ...]
# The generated stubs have no types of their own.
Message = Any
Method = Callable[..., Any]


class Client:
    """A channel that opens when the client is made and closes with it."""

    def __init__(self, settings: ChannelSettings) -> None:
        self._target = settings.target
        self._token_file = settings.token_file
        self._channel = open_channel(settings)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Cancels calls under way and closes the channel."""
        await self._channel.close(None)

    def _metadata(self) -> Metadata:
        # Read for each call: a mounted secret is rotated in place.
        if self._token_file is None:
            return ()
        token = read_bytes("token_file", self._token_file).decode().strip()
        if not token:
            raise ConfigError(f"token_file: {self._token_file} is empty; expected a bearer token")
        return (("authorization", f"Bearer {token}"),)

    async def unary(self, method: Method, request: Message, deadline_s: float) -> Message:
        """The response; the service's error as our own type."""
        try:
            return await method(request, timeout=deadline_s, metadata=self._metadata())
        except grpc.aio.AioRpcError as error:
            raise error_from_rpc(error, self._target) from error

    async def rows(self, method: Method, request: Message, deadline_s: float) -> AsyncIterator[Row]:
        """Rows of a server stream."""
        call = method(request, timeout=deadline_s, metadata=self._metadata())
        try:
            async for response in call:
                yield row_from_message(response.row)
        except grpc.aio.AioRpcError as error:
            raise error_from_rpc(error, self._target) from error
        finally:
            call.cancel()

    async def exchange(
        self, method: Method, to_request: Callable[[PromptItem], Message], items: Items
    ) -> AsyncGenerator[Row, None]:
        """One row for each item of a bidirectional stream, in order of completion."""
        sent = Sent(items, to_request)
        call = method(sent.requests(), metadata=self._metadata())
        received = 0
        try:
            async for response in call:
                received += 1
                yield row_from_message(response.row)
        except asyncio.CancelledError:
            # Also what gRPC makes of an error in the iterator of requests.
            if sent.error is not None:
                raise sent.error from None
            raise
        except grpc.aio.AioRpcError as error:
            raise error_from_rpc(error, self._target) from error
        finally:
            call.cancel()
        if sent.error is not None:
            raise sent.error
        if not sent.all_sent or received < sent.count:
            raise EngineUnavailable(
                f"{self._target}: the service ended the stream after {received} rows and left "
                "prompts unanswered, as it does when it shuts down; send them again"
            )


class Sent:
    """Requests of a stream, counted as they go out."""

    def __init__(self, items: Items, to_request: Callable[[PromptItem], Any]) -> None:
        self._items = items
        self._to_request = to_request
        self.count = 0
        self.all_sent = False
        self.error: BaseException | None = None

    async def requests(self) -> AsyncIterator[Any]:
        try:
            if isinstance(self._items, AsyncIterable):
                async for item in self._items:
                    self.count += 1
                    yield self._to_request(item)
            else:
                for item in self._items:
                    self.count += 1
                    yield self._to_request(item)
        except (GeneratorExit, asyncio.CancelledError):
            raise
        except BaseException as error:
            # gRPC would cancel the call and lose the error of the caller's own iterator.
            self.error = error
            raise
        self.all_sent = True
