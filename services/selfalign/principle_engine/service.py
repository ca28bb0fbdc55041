"""The gRPC face of the principle-engine: prompts in, rows out, no logic of its own."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import grpc.aio

from selfalign.answering.readiness import Readiness
from selfalign.constitution.lint import LintFinding, digest, lint
from selfalign.constitution.schema import Constitution
from selfalign.constitution.yaml_file import parse_constitution
from selfalign.errors import ConfigError
from selfalign.inference.contract.engine import Engine, EngineInfo
from selfalign.inference.contract.lengths import check_lengths
from selfalign.inference.contract.offers import check_offered
from selfalign.layout.build import make_layout
from selfalign.layout.chat_template import ChatTemplate
from selfalign.layout.contract import Layout
from selfalign.principle_engine.align import Aligner
from selfalign.principle_engine.align_settings import PrincipleEngineSettings
from selfalign.rpc.convert import prompt_from_message, row_to_message
from selfalign.rpc.layouts import ToldLayout
from selfalign.rpc.server import ServiceRegistration
from selfalign.rpc.streams import map_stream
from selfalign.storage.rows import prompt_id
from selfalign.v1 import common_pb2
from selfalign.v1 import principle_engine_pb2 as pb
from selfalign.v1 import principle_engine_pb2_grpc as stubs

if TYPE_CHECKING:
    Context = grpc.aio.ServicerContext[Any, Any]
    Base = object
else:
    Context = grpc.aio.ServicerContext
    Base = stubs.PrincipleEngineServiceServicer

MAX_LINT_CHARS = 1 << 18
"""Of a constitution that a call sends; the built-in one has about 16,000."""
MAX_LINT_FINDINGS = 200
FULL_NAME = pb.DESCRIPTOR.services_by_name["PrincipleEngineService"].full_name


class PrincipleEngineServicer(Base):
    """Aligns prompts; shows and checks constitutions."""

    def __init__(self, aligner: Aligner, constitution: Constitution) -> None:
        self._aligner = aligner
        self._constitution = constitution

    async def AlignPrompt(  # noqa: N802 - the name in the .proto
        self, request: pb.AlignPromptRequest, context: Context
    ) -> pb.AlignPromptResponse:
        """One prompt's row."""
        if not request.prompt.instruction.strip():
            raise ConfigError("prompt.instruction: is empty; expected a text")
        layout = self._told().of(request)
        return pb.AlignPromptResponse(row=await self._align(request.prompt, layout))

    async def AlignPrompts(  # noqa: N802 - the name in the .proto
        self, request_iterator: AsyncIterator[pb.AlignPromptsRequest], context: Context
    ) -> AsyncGenerator[pb.AlignPromptsResponse, None]:
        """A row for every prompt, in order of completion; the first may name all prompts' layout.

        A layout holds for its own prompt and those that are read after it.
        """
        told = self._told()

        def handle(request: pb.AlignPromptsRequest) -> Coroutine[Any, Any, pb.AlignPromptsResponse]:
            # Not in the answering itself, which is begun in no certain order.
            return answer(request.prompt, told.of(request))

        async def answer(
            prompt: common_pb2.Prompt, layout: Layout | None
        ) -> pb.AlignPromptsResponse:
            return pb.AlignPromptsResponse(row=await self._align(prompt, layout))

        limit = self._aligner.settings.max_in_flight
        async with aclosing(map_stream(request_iterator, handle, max_in_flight=limit)) as rows:
            async for response in rows:
                yield response

    async def GetConstitution(  # noqa: N802 - the name in the .proto
        self, request: pb.GetConstitutionRequest, context: Context
    ) -> pb.GetConstitutionResponse:
        """The constitution that is being served."""
        return pb.GetConstitutionResponse(
            digest=digest(self._constitution),
            principles=[
                pb.Principle(id=one.id, name=one.name, text=one.text)
                for one in self._constitution.principles
            ],
            prefix=self._aligner.caller.prefix,
        )

    async def LintConstitution(  # noqa: N802 - the name in the .proto
        self, request: pb.LintConstitutionRequest, context: Context
    ) -> pb.LintConstitutionResponse:
        """What is wrong with the sent constitution, or with the one that is being served."""
        # In a thread: reading and checking a long text takes a second, in which others are served.
        findings = await asyncio.to_thread(_findings, request.yaml, self._constitution)
        return pb.LintConstitutionResponse(
            findings=[
                pb.LintFinding(severity=one.severity, place=one.place, message=one.message)
                for one in findings
            ]
        )

    def _told(self) -> ToldLayout:
        return ToldLayout(partial(make_layout, self._constitution))

    async def _align(self, message: common_pb2.Prompt, layout: Layout | None) -> common_pb2.Row:
        item = prompt_from_message(message)
        if not item.prompt_id:
            item = replace(item, prompt_id=prompt_id(item.instruction, item.input))
        return row_to_message(await self._aligner.align(item, layout))


def _findings(yaml: str, served: Constitution) -> list[LintFinding]:
    """Of the constitution in a YAML text, or of the served one where there is none."""
    if not yaml:
        return lint(served)[:MAX_LINT_FINDINGS]
    try:
        return lint(parse_constitution(yaml, "yaml", MAX_LINT_CHARS))[:MAX_LINT_FINDINGS]
    except ConfigError as error:
        return [LintFinding("error", "yaml", str(error))]


async def registration(
    engine: Engine,
    settings: PrincipleEngineSettings,
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
        PromptTooLong: constitution, longest query and answer do not fit the engine's context.
    """
    layout = make_layout(constitution, template)
    aligner = Aligner(constitution, engine, settings, layout=layout, ordinary=ordinary)

    async def check_prompts(info: EngineInfo) -> None:
        check_offered(info, settings.sampling)
        prefix, params = aligner.longest(layout)
        await check_lengths(engine, prefix, settings.longest_query_tokens, params)
        await aligner.declining.calibrate(layout.own_prompt)

    def set_model_id(model_id: str) -> None:
        aligner.model_id = model_id

    readiness = Readiness(engine, check_prompts, set_model_id)
    await readiness.check_at_start()
    servicer = PrincipleEngineServicer(aligner, constitution)
    # The generated stubs have no types of their own.
    add: Any = stubs.add_PrincipleEngineServiceServicer_to_server
    return ServiceRegistration(FULL_NAME, lambda server: add(servicer, server), readiness.check)
