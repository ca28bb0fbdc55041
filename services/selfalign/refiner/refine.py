"""Answering prompts with the engraved model under the verbose prompt, and filtering the answers."""

from collections.abc import Sequence
from dataclasses import replace

from selfalign.answering.answers import Answering
from selfalign.answering.attempts import Attempt
from selfalign.answering.declining import Declining, GivenOpening
from selfalign.answering.selection import BestOf
from selfalign.constitution.schema import Constitution
from selfalign.filters.checks import drop_partial_word
from selfalign.filters.published import Judged
from selfalign.filters.repeats import cut_loops
from selfalign.inference.contract.engine import Completion, Engine
from selfalign.layout.contract import Layout
from selfalign.layout.headers import HeadersLayout
from selfalign.refiner.published_refine import PublishedRefineFilter
from selfalign.refiner.refine_filters import RefineFilter
from selfalign.refiner.refine_settings import RefinerSettings
from selfalign.settings.sampling import SamplingParams
from selfalign.storage.rows import PromptItem, Row


class Refiner:
    """Verbose cloning's teacher, prompt by prompt (paper, section 3.4). Stateless."""

    def __init__(
        self,
        constitution: Constitution,
        engine: Engine,
        settings: RefinerSettings,
        model_id: str = "",
        layout: Layout | None = None,
        ordinary: Sequence[str] = (),
    ) -> None:
        """Asks in `layout` where a call names no other; by default under the headers.
        `ordinary` are requests that no rule declines; see RuleDue."""
        self.model_id = model_id
        """Written into the rows."""
        self.settings = settings
        self.layout = layout or HeadersLayout(constitution)
        self._engine = engine
        self._filter = RefineFilter(constitution, settings.filters)
        self._published = PublishedRefineFilter(constitution)
        self._best = BestOf(engine, settings.selection, settings.deadline_s)
        self.declining = Declining(
            constitution, engine, settings.declining, ordinary, settings.deadline_s
        )
        self._answering = Answering(
            self._best, self.declining, settings.retries, settings.filters.refusals == "due"
        )

    def params(self, layout: Layout) -> SamplingParams:
        """How the engine samples answers in a layout."""
        published = self.settings.filters.preset == "published"
        stops = self._published.stops if published else layout.stops
        return self._best.sampling(self.settings.sampling).model_copy(update={"stop": stops})

    async def refine(self, item: PromptItem, layout: Layout | None = None) -> Row:
        """Exactly one row for the prompt: accepted, rejected with a filter's reason, or failed
        with an engine error's name."""
        layout = layout or self.layout
        prompt, params = layout.verbose_prompt(item.instruction, item.input), self.params(layout)

        async def attempt(seed: int) -> Attempt:
            completion = await self._engine.generate(
                prompt, params, seed=seed, deadline_s=self.settings.deadline_s
            )
            return self._judge(item, completion, params.stop)

        model = GivenOpening(self._engine, params, self.settings.deadline_s)
        row = await self._answering.row(item, layout.verbose_prompt, attempt, model)
        return replace(row, model_id=self.model_id)

    def _judge(self, item: PromptItem, completion: Completion, stops: tuple[str, ...]) -> Attempt:
        judged = self._judged(item, completion, stops)
        return Attempt(
            completion=completion.text,
            answer=judged.answer,
            complete=judged.complete,
            finish_reason=completion.finish_reason,
            prompt_tokens=completion.prompt_tokens,
            completion_tokens=completion.completion_tokens,
            latency_ms=completion.latency_ms,
            rejection=judged.rejection,
        )

    def _judged(self, item: PromptItem, completion: Completion, stops: tuple[str, ...]) -> Judged:
        """The verdict of the filters that the settings name."""
        if self.settings.filters.preset == "published":
            return self._published.judge(item, completion)
        text, ended = until_next_turn(completion.text, stops)
        complete = ended or completion.finish_reason != "length"
        answer = cut_loops(text, self.settings.filters.loops)
        if not complete and answer == text:
            answer = drop_partial_word(answer)
        return Judged(answer, complete, self._filter.answer(item, answer, complete))


def until_next_turn(text: str, stops: tuple[str, ...]) -> tuple[str, bool]:
    """The answer, and whether the next turn's heading follows it.

    Engines cut at stop sequences, but a completion may also begin with one."""
    text = f"\n{text}"
    places = [place for stop in stops if (place := text.find(stop)) >= 0]
    return text[: min(places, default=len(text))].strip(), bool(places)
