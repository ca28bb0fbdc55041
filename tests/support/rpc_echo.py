"""A principle-engine that answers by rules of its own: what the rpc tests talk to."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import replace
from typing import Any

import grpc.aio

from selfalign.rpc.convert import prompt_from_message, row_to_message
from selfalign.rpc.server import ServiceRegistration
from selfalign.rpc.streams import map_stream
from selfalign.storage.rows import PromptItem, Row, RowStatus
from selfalign.v1 import principle_engine_pb2 as pb
from selfalign.v1 import principle_engine_pb2_grpc

NAME = "selfalign.v1.PrincipleEngineService"
Answer = Callable[[PromptItem], Coroutine[Any, Any, Row]]


def row_of(item: PromptItem) -> Row:
    return replace(Row.of(item, RowStatus.ACCEPTED), answer=item.instruction.upper())


async def echo(item: PromptItem) -> Row:
    await asyncio.sleep(0)
    return row_of(item)


class EchoService(principle_engine_pb2_grpc.PrincipleEngineServiceServicer):
    def __init__(self, answer: Answer = echo, max_in_flight: int = 8) -> None:
        self.answer = answer
        self.max_in_flight = max_in_flight
        self.cancelled = 0

    async def _row(self, message: Any) -> Any:
        try:
            return row_to_message(await self.answer(prompt_from_message(message)))
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    async def AlignPrompt(self, request: Any, context: Any) -> Any:  # noqa: N802
        return pb.AlignPromptResponse(row=await self._row(request.prompt))

    async def AlignPrompts(self, requests: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        async def one(request: Any) -> Any:
            return pb.AlignPromptsResponse(row=await self._row(request.prompt))

        async for response in map_stream(requests, one, max_in_flight=self.max_in_flight):
            yield response

    async def GetConstitution(self, request: Any, context: Any) -> Any:  # noqa: N802
        principles = [pb.Principle(id=1, name="one", text="text")]
        return pb.GetConstitutionResponse(digest="d", prefix="p", principles=principles)

    async def LintConstitution(self, request: Any, context: Any) -> Any:  # noqa: N802
        return pb.LintConstitutionResponse(
            findings=[pb.LintFinding(severity="error", place="yaml", message=request.yaml)]
        )

    def registration(self, check: Any = None) -> ServiceRegistration:
        def add(server: grpc.aio.Server) -> None:
            register: Any = principle_engine_pb2_grpc.add_PrincipleEngineServiceServicer_to_server
            register(self, server)

        return ServiceRegistration(NAME, add, check)
