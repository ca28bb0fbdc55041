"""The gRPC face of the refiner: prompts in, rows out, no logic of its own."""

from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import grpc.aio

from selfalign.answering.readiness import Readiness
from selfalign.constitution.schema import Constitution
from selfalign.errors import ConfigError
from selfalign.inference.contract.engine import Engine, EngineInfo
from selfalign.inference.contract.lengths import check_lengths
from selfalign.inference.contract.offers import check_offered
from selfalign.layout.build import make_layout
from selfalign.layout.chat_template import ChatTemplate
from selfalign.layout.contract import Layout
from selfalign.refiner.refine import Refiner
from selfalign.refiner.refine_settings import RefinerSettings
from selfalign.rpc.convert import prompt_from_message, row_to_message
from selfalign.rpc.layouts import ToldLayout
from selfalign.rpc.server import ServiceRegistration
from selfalign.rpc.streams import map_stream
from selfalign.storage.rows import prompt_id
from selfalign.v1 import common_pb2
from selfalign.v1 import refiner_pb2 as pb
from selfalign.v1 import refiner_pb2_grpc as stubs

if TYPE_CHECKING:
    Context = grpc.aio.ServicerContext[Any, Any]
    Base = object
else:
    Context = grpc.aio.ServicerContext
    Base = stubs.RefinerServiceServicer

FULL_NAME = pb.DESCRIPTOR.services_by_name["RefinerService"].full_name


class RefinerServicer(Base):
    """Refines prompts."""

    def __init__(self, refiner: Refiner, constitution: Constitution) -> None:
        self._refiner, self._constitution = refiner, constitution

    async def RefinePrompt(  # noqa: N802 - the name in the .proto
        self, request: pb.RefinePromptRequest, context: Context
    ) -> pb.RefinePromptResponse:
        """One prompt's row."""
        if not request.prompt.instruction.strip():
            raise ConfigError("prompt.instruction: is empty; expected a text")
        layout = self._told().of(request)
        return pb.RefinePromptResponse(row=await self._refine(request.prompt, layout))

    async def RefinePrompts(  # noqa: N802 - the name in the .proto
        self, request_iterator: AsyncIterator[pb.RefinePromptsRequest], context: Context
    ) -> AsyncGenerator[pb.RefinePromptsResponse, None]:
        """A row for every prompt, in order of completion; the first may name all prompts' layout.

        A layout holds for its own prompt and those that are read after it.
        """
        told = self._told()

        def handle(
            request: pb.RefinePromptsRequest,
        ) -> Coroutine[Any, Any, pb.RefinePromptsResponse]:
            # Not in the answering itself, which is begun in no certain order.
            return answer(request.prompt, told.of(request))

        async def answer(
            prompt: common_pb2.Prompt, layout: Layout | None
        ) -> pb.RefinePromptsResponse:
            return pb.RefinePromptsResponse(row=await self._refine(prompt, layout))

        limit = self._refiner.settings.max_in_flight
        async with aclosing(map_stream(request_iterator, handle, max_in_flight=limit)) as rows:
            async for response in rows:
                yield response

    def _told(self) -> ToldLayout:
        return ToldLayout(partial(make_layout, self._constitution))

    async def _refine(self, message: common_pb2.Prompt, layout: Layout | None) -> common_pb2.Row:
        item = prompt_from_message(message)
        if not item.prompt_id:
            item = replace(item, prompt_id=prompt_id(item.instruction, item.input))
        return row_to_message(await self._refiner.refine(item, layout))


async def registration(
    engine: Engine,
    settings: RefinerSettings,
    constitution: Constitution,
    template: ChatTemplate | None = None,
    ordinary: Sequence[str] = (),
) -> ServiceRegistration:
    """The service over `engine`, ready for run_server.

    An engine that is down does not stop it: the service becomes ready once its check passes.

    Args:
        template: The chat template of the service's own run file, for calls that name no layout.
        ordinary: Requests that no rule declines, for finding where one is due.

    Raises:
        ConfigError: the chat template cannot be used, or the engine lacks what `sampling` asks for.
        PromptTooLong: verbose prompt, longest query and answer do not fit the engine's context.
    """
    layout = make_layout(constitution, template)
    refiner = Refiner(constitution, engine, settings, layout=layout, ordinary=ordinary)
    prefix = layout.verbose_prompt("")

    async def check_prompts(info: EngineInfo) -> None:
        check_offered(info, settings.sampling)
        await check_lengths(engine, prefix, settings.longest_query_tokens, refiner.params(layout))
        await refiner.declining.calibrate(layout.verbose_prompt)

    def set_model_id(model_id: str) -> None:
        refiner.model_id = model_id

    readiness = Readiness(engine, check_prompts, set_model_id)
    await readiness.check_at_start()
    servicer = RefinerServicer(refiner, constitution)
    # The generated stubs have no types of their own.
    add: Any = stubs.add_RefinerServiceServicer_to_server
    return ServiceRegistration(FULL_NAME, lambda server: add(servicer, server), readiness.check)
