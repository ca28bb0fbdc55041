"""The gRPC face of the prompt-synthesizer: requests in, rows out, no logic of its own."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc.aio

from selfalign.answering.readiness import Readiness
from selfalign.errors import ConfigError
from selfalign.inference.contract.engine import Engine, EngineInfo
from selfalign.prompt_synthesizer.prompt_lengths import check_limits
from selfalign.prompt_synthesizer.seeds import load_task_seeds, load_topic_seeds
from selfalign.prompt_synthesizer.synthesizer import Synthesizer
from selfalign.prompt_synthesizer.synthesizer_settings import PromptSynthesizerSettings
from selfalign.prompt_synthesizer.topic_guided import Hint
from selfalign.rpc.convert import row_to_message
from selfalign.rpc.server import ServiceRegistration
from selfalign.settings.prompt_source import REQUEST, USER_TURNS
from selfalign.v1 import prompt_synthesizer_pb2 as pb
from selfalign.v1 import prompt_synthesizer_pb2_grpc as stubs

if TYPE_CHECKING:
    Context = grpc.aio.ServicerContext[Any, Any]
    Base = object
else:
    Context = grpc.aio.ServicerContext
    Base = stubs.PromptSynthesizerServiceServicer

FULL_NAME = pb.DESCRIPTOR.services_by_name["PromptSynthesizerService"].full_name


class PromptSynthesizerServicer(Base):
    """Streams the rows of a Synthesizer."""

    def __init__(self, synthesizer: Synthesizer) -> None:
        self._synthesizer = synthesizer

    async def BrainstormTopics(  # noqa: N802 - the name in the .proto
        self, request: pb.BrainstormTopicsRequest, context: Context
    ) -> AsyncGenerator[pb.BrainstormTopicsResponse, None]:
        """Rows of new topics of one question type."""
        if not request.question_type.strip():
            raise ConfigError("question_type is empty; expected e.g. a type of the topic seeds")
        if not request.quota or not request.max_completions:
            raise ConfigError(
                f"quota is {request.quota} and max_completions {request.max_completions}; "
                "expected both to be at least 1"
            )
        rows = self._synthesizer.brainstorm(
            request.question_type,
            list(request.known_topics),
            request.quota,
            request.seed,
            request.max_completions,
        )
        async with aclosing(rows):
            async for row in rows:
                yield pb.BrainstormTopicsResponse(row=row_to_message(row))

    async def SynthesizePrompts(  # noqa: N802 - the name in the .proto
        self, request: pb.SynthesizePromptsRequest, context: Context
    ) -> AsyncGenerator[pb.SynthesizePromptsResponse, None]:
        """Rows of instruction candidates of one source."""
        rows = self._rows(request)
        async with aclosing(rows):
            async for row in rows:
                yield pb.SynthesizePromptsResponse(row=row_to_message(row))

    def _rows(self, request: pb.SynthesizePromptsRequest) -> AsyncGenerator[Any, None]:
        if request.source == "self_instruct":
            if not request.completions or request.hints:
                raise ConfigError(
                    f"source self_instruct: got {request.completions} completions and "
                    f"{len(request.hints)} hints; expected at least one completion and no hint"
                )
            return self._synthesizer.self_instruct(request.completions, request.seed)
        if request.source == "topic_guided":
            hints = [Hint(hint.question_type, hint.topic) for hint in request.hints]
            if not hints or not all(hint.question_type and hint.topic for hint in hints):
                raise ConfigError(
                    f"source topic_guided: got {len(hints)} hints; expected at least one, each "
                    "with a question_type and a topic"
                )
            return self._synthesizer.topic_guided(hints, request.seed)
        if request.source in USER_TURNS:
            self._check_user_turns(request)
            return self._synthesizer.user_turns(
                request.source,
                request.user_turn_prefix,
                request.user_turn_end,
                request.completions,
                request.seed,
                request.openings,
            )
        raise ConfigError(
            f"source: {request.source!r} is unknown; expected self_instruct, topic_guided, "
            "template or request"
        )

    @staticmethod
    def _check_user_turns(request: pb.SynthesizePromptsRequest) -> None:
        source, completions = request.source, request.completions
        if not completions or request.hints or not request.user_turn_prefix:
            raise ConfigError(
                f"source {source}: got {completions} completions, {len(request.hints)} hints and "
                f"the user_turn_prefix {request.user_turn_prefix!r}; expected at least one "
                "completion, no hint, and what stands before the user's words"
            )
        given, expected = len(request.openings), "one for each, or none"
        wrong = given not in (0, completions)
        if source == REQUEST:
            expected = "one for each, with words in it"
            wrong = given != completions or not all(map(str.strip, request.openings))
        if wrong:
            raise ConfigError(
                f"openings: got {given} for {completions} completions of source {source}; "
                f"expected {expected}"
            )


async def registration(
    engine: Engine,
    settings: PromptSynthesizerSettings,
    task_seeds: Path | None = None,
    topic_seeds: Path | None = None,
) -> ServiceRegistration:
    """The service over `engine`, ready for run_server.

    An engine that is down does not stop it: the service becomes ready once its check passes.

    Raises:
        ConfigError: the wording cannot be used, or prompts do not fit the engine's context.
        DataError: a seed file cannot be used.
    """
    synthesizer = Synthesizer(
        engine, settings, load_task_seeds(task_seeds), load_topic_seeds(topic_seeds)
    )

    async def check_prompts(info: EngineInfo) -> None:
        await check_limits(engine, info, synthesizer)

    def set_model_id(model_id: str) -> None:
        synthesizer.model_id = model_id

    readiness = Readiness(engine, check_prompts, set_model_id)
    await readiness.check_at_start()
    servicer = PromptSynthesizerServicer(synthesizer)
    # The generated stubs have no types of their own.
    add: Any = stubs.add_PromptSynthesizerServiceServicer_to_server
    return ServiceRegistration(FULL_NAME, lambda server: add(servicer, server), readiness.check)
