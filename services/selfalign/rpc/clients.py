"""Typed clients of the three services: our own values in and out, our own errors."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from selfalign.rpc.calls import Client, Items, Message
from selfalign.rpc.channel import ChannelSettings
from selfalign.rpc.convert import prompt_to_message, row_from_message
from selfalign.rpc.layouts import RunLayout, layout_to_message
from selfalign.settings.prompt_source import SynthesizedSource
from selfalign.storage.rows import PromptItem, Row
from selfalign.v1 import (
    common_pb2,
    principle_engine_pb2,
    principle_engine_pb2_grpc,
    prompt_synthesizer_pb2,
    prompt_synthesizer_pb2_grpc,
    refiner_pb2,
    refiner_pb2_grpc,
)


@dataclass(frozen=True, slots=True)
class PrincipleInfo:
    """One principle of the constitution that a service holds."""

    id: int
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class ConstitutionInfo:
    """The constitution that a service holds; `prefix` stands before every query."""

    digest: str
    principles: tuple[PrincipleInfo, ...]
    prefix: str


@dataclass(frozen=True, slots=True)
class LintMessage:
    """One finding of the constitution's linter."""

    severity: str
    place: str
    message: str


class PromptSynthesizerClient(Client):
    """Stage 1: topics and instructions."""

    def __init__(self, settings: ChannelSettings) -> None:
        super().__init__(settings)
        stub: Any = prompt_synthesizer_pb2_grpc.PromptSynthesizerServiceStub
        self._stub = stub(self._channel)

    def brainstorm_topics(
        self,
        *,
        question_type: str,
        known_topics: Sequence[str],
        quota: int,
        seed: int,
        max_completions: int,
        deadline_s: float,
    ) -> AsyncIterator[Row]:
        """Rows of new topics, rejected ones too, until `quota` are accepted.

        Raises (all methods): the type that the service raised, with its message;
            EngineUnavailable: it cannot be reached; EngineTimeout: `deadline_s` passed.
        """
        request = prompt_synthesizer_pb2.BrainstormTopicsRequest(
            question_type=question_type,
            known_topics=known_topics,
            quota=quota,
            seed=seed,
            max_completions=max_completions,
        )
        return self.rows(self._stub.BrainstormTopics, request, deadline_s)

    def synthesize_prompts(
        self,
        *,
        source: SynthesizedSource,
        completions: int,
        hints: Sequence[tuple[str, str]],
        seed: int,
        deadline_s: float,
        user_turn: tuple[str, str] = ("", ""),
        openings: Sequence[str] = (),
    ) -> AsyncIterator[Row]:
        """Rows of new instructions, rejected ones too.

        Args:
            hints: (question type, topic) of each instruction wanted (topic_guided).
            user_turn: What stands before the user's words in the base model's chat template, and
                the stop sequence behind them, if there is one (template, request).
            openings: What the user's words begin with, one for each completion (request), or none
                (template).
        """
        request = prompt_synthesizer_pb2.SynthesizePromptsRequest(
            source=source,
            completions=completions,
            hints=[
                prompt_synthesizer_pb2.TopicHint(question_type=question_type, topic=topic)
                for question_type, topic in hints
            ],
            seed=seed,
            user_turn_prefix=user_turn[0],
            user_turn_end=user_turn[1],
            openings=openings,
        )
        return self.rows(self._stub.SynthesizePrompts, request, deadline_s)


class PrincipleEngineClient(Client):
    """Stage 2: principle-driven self-alignment."""

    def __init__(self, settings: ChannelSettings) -> None:
        super().__init__(settings)
        stub: Any = principle_engine_pb2_grpc.PrincipleEngineServiceStub
        self._stub = stub(self._channel)

    async def align_prompt(
        self, item: PromptItem, deadline_s: float, layout: RunLayout | None = None
    ) -> Row:
        """The row of one prompt; see align_prompts for `layout`."""
        request = principle_engine_pb2.AlignPromptRequest(
            prompt=prompt_to_message(item), layout=_message(layout)
        )
        response = await self.unary(self._stub.AlignPrompt, request, deadline_s)
        return row_from_message(response.row)

    def align_prompts(
        self, items: Items, layout: RunLayout | None = None
    ) -> AsyncGenerator[Row, None]:
        """One row for each prompt, in order of completion, until `items` end.

        Raises EngineUnavailable also if the service left prompts unanswered.

        Args:
            layout: The run's, told once with the first prompt; by default the service's own.
        """
        request = _telling(principle_engine_pb2.AlignPromptsRequest, layout)
        return self.exchange(self._stub.AlignPrompts, request, items)

    async def get_constitution(self, deadline_s: float = 10.0) -> ConstitutionInfo:
        """The constitution that the service aligns with."""
        request = principle_engine_pb2.GetConstitutionRequest()
        answer = await self.unary(self._stub.GetConstitution, request, deadline_s)
        principles = tuple(PrincipleInfo(p.id, p.name, p.text) for p in answer.principles)
        return ConstitutionInfo(answer.digest, principles, answer.prefix)

    async def lint_constitution(
        self, yaml: str = "", deadline_s: float = 30.0
    ) -> list[LintMessage]:
        """Findings on a constitution in YAML; without one, on the one that is served."""
        request = principle_engine_pb2.LintConstitutionRequest(yaml=yaml)
        answer = await self.unary(self._stub.LintConstitution, request, deadline_s)
        return [LintMessage(f.severity, f.place, f.message) for f in answer.findings]


class RefinerClient(Client):
    """Stage 4: fuller answers of the engraved model."""

    def __init__(self, settings: ChannelSettings) -> None:
        super().__init__(settings)
        stub: Any = refiner_pb2_grpc.RefinerServiceStub
        self._stub = stub(self._channel)

    async def refine_prompt(
        self, item: PromptItem, deadline_s: float, layout: RunLayout | None = None
    ) -> Row:
        """The row of one prompt; see refine_prompts for `layout`."""
        request = refiner_pb2.RefinePromptRequest(
            prompt=prompt_to_message(item), layout=_message(layout)
        )
        response = await self.unary(self._stub.RefinePrompt, request, deadline_s)
        return row_from_message(response.row)

    def refine_prompts(
        self, items: Items, layout: RunLayout | None = None
    ) -> AsyncGenerator[Row, None]:
        """One row for each prompt, as PrincipleEngineClient.align_prompts."""
        request = _telling(refiner_pb2.RefinePromptsRequest, layout)
        return self.exchange(self._stub.RefinePrompts, request, items)


def _message(layout: RunLayout | None) -> common_pb2.Layout | None:
    return layout_to_message(layout) if layout else None


def _telling(
    make: Callable[..., Message], layout: RunLayout | None
) -> Callable[[PromptItem], Message]:
    """Requests of a stream, the first of which tells the layout of all."""
    untold = layout

    def request(item: PromptItem) -> Message:
        nonlocal untold
        told, untold = untold, None
        return make(prompt=prompt_to_message(item), layout=_message(told))

    return request
