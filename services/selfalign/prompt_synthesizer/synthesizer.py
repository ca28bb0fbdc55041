"""Stage 1 over an engine: topics, and instructions of four sources, a row each.

Every completion is asked for once, with a seed derived from (seed, source, number). Rows come in
the order of the completions, whatever order the engine answers in. A completion's tokens and
latency stand on the first of its rows only, so that sums over a table are right.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace

from selfalign.inference.contract.engine import Completion, Engine
from selfalign.prompt_synthesizer.candidates import Candidate
from selfalign.prompt_synthesizer.fit import Fit
from selfalign.prompt_synthesizer.ledger_rows import (
    TopicQuota,
    hint_rows,
    instruction_rows,
    judge_instruction,
    topic_rows,
)
from selfalign.prompt_synthesizer.prompt_templates import load_prompt_templates
from selfalign.prompt_synthesizer.seeds import TaskSeed, TopicSeed
from selfalign.prompt_synthesizer.self_instruct import (
    draw_seeds,
    parse_self_instruct,
    render_self_instruct,
)
from selfalign.prompt_synthesizer.synthesis_requests import (
    BoundedEngine,
    CompletionOrError,
    SynthesisRequest,
    in_order,
)
from selfalign.prompt_synthesizer.synthesizer_settings import PromptSynthesizerSettings
from selfalign.prompt_synthesizer.topic_guided import (
    Hint,
    draw_topic_seeds,
    parse_line,
    parse_list,
    render_topic_guided,
)
from selfalign.prompt_synthesizer.topics import parse_topics, render_topics, shown_topics
from selfalign.prompt_synthesizer.user_turn import parse_user_turn
from selfalign.settings.sampling import SamplingParams
from selfalign.storage.rows import Row, derive_seed


class Synthesizer:
    """The logic of the service. Safe for many streams at once on one event loop."""

    def __init__(
        self,
        engine: Engine,
        settings: PromptSynthesizerSettings,
        task_seeds: Sequence[TaskSeed],
        topic_seeds: Sequence[TopicSeed],
        *,
        model_id: str = "",
    ) -> None:
        self._settings = settings
        self._task_seeds = tuple(task_seeds)
        self._topic_seeds = tuple(topic_seeds)
        self._templates = load_prompt_templates(settings.wording)
        self._engine = BoundedEngine(engine, settings.max_in_flight, settings.deadline_s)
        self._fit = Fit(engine, settings.deadline_s)
        # Twice the room, so that one slow completion at the head does not idle the engine.
        self._window = 2 * settings.max_in_flight
        self.model_id = model_id
        """Written into every row; set once the engine has named its model."""

    async def brainstorm(
        self,
        question_type: str,
        known_topics: Sequence[str],
        quota: int,
        seed: int,
        max_completions: int,
    ) -> AsyncGenerator[Row, None]:
        """Topics of one type until `quota` new ones are accepted or `max_completions` are used.

        A prompt shows topics known `lookahead` completions before it: completions overlap, yet
        what a prompt shows does not depend on which of them comes first.
        """
        settings = self._settings.topics
        topics = TopicQuota(known_topics, quota)

        def make(number: int) -> SynthesisRequest | None:
            if number >= max_completions or topics.wanted <= 0:
                return None
            own = derive_seed(seed, "topics", question_type, number)
            shown = shown_topics(topics.known, settings, own)
            prompt = render_topics(self._templates, question_type, shown, settings)
            return SynthesisRequest(prompt, settings.sampling, own)

        async def found(number: int, asked: SynthesisRequest) -> list[Row]:
            answer = await self._engine.ask(asked)
            candidates: list[Candidate] = []
            if isinstance(answer, Completion):
                candidates = parse_topics(answer.text, cut=_cut(answer), settings=settings)
            scope = ("topics", question_type, number)
            rows = topic_rows(scope, question_type, asked, answer, candidates)
            return await self._fit.topics(rows, question_type, settings.fit)

        completions = in_order(make, found, settings.lookahead)
        async with aclosing(completions):
            async for rows in completions:
                for row in rows:
                    yield replace(topics.judge(row), model_id=self.model_id)
                if topics.wanted <= 0:
                    return

    def self_instruct(self, completions: int, seed: int) -> AsyncGenerator[Row, None]:
        """Every candidate of `completions` completions, judged by the local filters."""
        settings = self._settings.self_instruct

        def make(number: int) -> SynthesisRequest | None:
            return self.self_instruct_request(seed, number) if number < completions else None

        async def found(number: int, asked: SynthesisRequest) -> list[Row]:
            answer = await self._engine.ask(asked)
            candidates: list[Candidate] = []
            if isinstance(answer, Completion):
                shown = len(asked.examples)
                candidates = parse_self_instruct(
                    answer.text, shown=shown, cut=_cut(answer), lines=self._settings.instructions
                )
            scope = ("prompts", "self_instruct", seed, number)
            rows = instruction_rows(scope, asked, answer, candidates)
            return [judge_instruction(row, settings.filters, asked.examples) for row in rows]

        return self._rows(make, found)

    def topic_guided(self, hints: Sequence[Hint], seed: int) -> AsyncGenerator[Row, None]:
        """Exactly one row for each hint, in their order."""
        settings = self._settings.topic_guided
        size = 1 if settings.layout == "line" else settings.new_hints

        def make(number: int) -> SynthesisRequest | None:
            chosen = tuple(hints[number * size : (number + 1) * size])
            return self.topic_guided_request(chosen, seed, number) if chosen else None

        async def found(number: int, asked: SynthesisRequest) -> list[Row]:
            answer = await self._engine.ask(asked)
            candidates = self._parse_guided(asked, answer)
            scope = ("prompts", "topic_guided", seed, number)
            rows = hint_rows(scope, asked, answer, candidates)
            rows = [judge_instruction(row, settings.filters, asked.examples) for row in rows]
            return await self._fit.instructions(rows, settings.fit)

        return self._rows(make, found)

    def user_turns(
        self,
        source: str,
        prefix: str,
        end: str,
        completions: int,
        seed: int,
        openings: Sequence[str] = (),
    ) -> AsyncGenerator[Row, None]:
        """One row for each of `completions` turns of a user, as the chat model writes them.

        Args:
            source: The rows': template or request.
            prefix: What stands before the user's words in the model's chat template.
            end: The stop sequence behind them, if there is one.
            openings: What the words of each turn begin with; without them the model chooses.
        """
        settings = self._settings.template
        sampling = _stopping_at(end, settings.sampling) if end else settings.sampling

        def begun(number: int) -> str:
            return openings[number] if number < len(openings) else ""

        def make(number: int) -> SynthesisRequest | None:
            own = derive_seed(seed, source, number)
            request = SynthesisRequest(prefix + begun(number), sampling, own)
            return request if number < completions else None

        async def found(number: int, asked: SynthesisRequest) -> list[Row]:
            answer = await self._engine.ask(asked)
            candidates: list[Candidate] = []
            if isinstance(answer, Completion):
                turn = parse_user_turn(answer.text, cut=_cut(answer), opening=begun(number))
                candidates = [turn]
            scope = ("prompts", source, seed, number)
            rows = instruction_rows(scope, asked, answer, candidates, source)
            return [judge_instruction(row, settings.filters, ()) for row in rows]

        return self._rows(make, found)

    async def _rows(
        self,
        make: Callable[[int], SynthesisRequest | None],
        found: Callable[[int, SynthesisRequest], Awaitable[list[Row]]],
    ) -> AsyncGenerator[Row, None]:
        completions = in_order(make, found, self._window)
        async with aclosing(completions):
            async for rows in completions:
                for row in rows:
                    yield replace(row, model_id=self.model_id)

    def longest_requests(self) -> list[tuple[str, SynthesisRequest]]:
        """(settings section, its longest request, nearly): for the check of the engine's limits."""
        own, guided = self._settings.self_instruct, self._settings.topic_guided
        tasks = sorted(self._task_seeds, key=lambda task: -len(task.instruction + task.input))
        tasks = tasks[: own.seeds_per_prompt]
        topics = sorted(self._topic_seeds, key=lambda seed: -len(seed.instruction))
        hints = [Hint(seed.question_type, seed.topic) for seed in topics[: guided.new_hints]]
        shown = topics[: guided.seed_hints]
        listing = render_self_instruct(self._templates, tasks, own.listed)
        hinting = render_topic_guided(self._templates, shown, hints, lead=True)
        return [
            ("self_instruct", SynthesisRequest(listing, own.sampling, seed=0)),
            ("topic_guided", SynthesisRequest(hinting, guided.sampling, seed=0)),
        ]

    def self_instruct_request(self, seed: int, number: int) -> SynthesisRequest:
        """What is asked for the self-instruct completion `number`."""
        settings = self._settings.self_instruct
        own = derive_seed(seed, "self_instruct", number)
        shown = draw_seeds(self._task_seeds, settings.seeds_per_prompt, own)
        prompt = render_self_instruct(self._templates, shown, settings.listed)
        return SynthesisRequest(
            prompt, settings.sampling, own, tuple(task.instruction for task in shown)
        )

    def topic_guided_request(
        self, hints: Sequence[Hint], seed: int, number: int
    ) -> SynthesisRequest:
        """What is asked for the topic-guided completion `number`, about `hints`."""
        settings = self._settings.topic_guided
        line = settings.layout == "line"
        own = derive_seed(seed, "topic_guided", number)
        shown = draw_topic_seeds(self._topic_seeds, settings.seed_hints, own)
        prompt = render_topic_guided(self._templates, shown, hints, lead=line)
        sampling = _stopping_at("\n", settings.sampling) if line else settings.sampling
        examples = tuple(topic.instruction for topic in shown)
        return SynthesisRequest(prompt, sampling, own, examples, tuple(hints))

    def _parse_guided(self, asked: SynthesisRequest, answer: CompletionOrError) -> list[Candidate]:
        if not isinstance(answer, Completion):
            return []
        if self._settings.topic_guided.layout == "line":
            return [parse_line(answer.text, cut=_cut(answer), lines=self._settings.instructions)]
        return parse_list(
            answer.text,
            shown=len(asked.examples),
            hints=asked.hints,
            cut=_cut(answer),
            lines=self._settings.instructions,
        )


def _cut(completion: Completion) -> bool:
    return completion.finish_reason == "length"


def _stopping_at(stop: str, sampling: SamplingParams) -> SamplingParams:
    if stop in sampling.stop:
        return sampling
    return sampling.model_copy(update={"stop": (*sampling.stop, stop)})
