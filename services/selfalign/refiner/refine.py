"""Answering prompts with the engraved model under the verbose prompt, and filtering the answers."""

from dataclasses import replace

from selfalign.answering.attempts import Attempt, attempt_row
from selfalign.constitution.render import render_verbose_prompt, student_stops
from selfalign.constitution.schema import Constitution
from selfalign.filters.checks import drop_partial_word
from selfalign.filters.published import Judged
from selfalign.filters.repeats import cut_loops
from selfalign.inference.contract.engine import Completion, Engine
from selfalign.refiner.published_refine import PublishedRefineFilter
from selfalign.refiner.refine_filters import RefineFilter
from selfalign.refiner.refine_settings import RefinerSettings
from selfalign.storage.rows import PromptItem, Row


class Refiner:
    """Verbose cloning's teacher, prompt by prompt (paper, section 3.4). Stateless."""

    def __init__(
        self,
        constitution: Constitution,
        engine: Engine,
        settings: RefinerSettings,
        model_id: str = "",
    ) -> None:
        self.model_id = model_id
        """Written into the rows."""
        self.settings = settings
        self._c = constitution
        self._engine = engine
        self._filter = RefineFilter(constitution, settings.filters)
        self._published = PublishedRefineFilter(constitution)
        published = settings.filters.preset == "published"
        self._stops = self._published.stops if published else student_stops(constitution)
        self.params = settings.sampling.model_copy(update={"stop": self._stops})

    async def refine(self, item: PromptItem) -> Row:
        """Exactly one row for the prompt: accepted, rejected with a filter's reason, or failed
        with an engine error's name."""
        prompt = render_verbose_prompt(self._c, item.instruction, item.input)

        async def attempt(seed: int) -> Attempt:
            completion = await self._engine.generate(
                prompt, self.params, seed=seed, deadline_s=self.settings.deadline_s
            )
            return self._judge(item, completion)

        row = await attempt_row(item, self.settings.retries, attempt)
        return replace(row, model_id=self.model_id)

    def _judge(self, item: PromptItem, completion: Completion) -> Attempt:
        judged = self._judged(item, completion)
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

    def _judged(self, item: PromptItem, completion: Completion) -> Judged:
        """The verdict of the filters that the settings name."""
        if self.settings.filters.preset == "published":
            return self._published.judge(item, completion)
        text, ended = self._until_next_turn(completion.text)
        complete = ended or completion.finish_reason != "length"
        answer = cut_loops(text, self.settings.filters.loops)
        if not complete and answer == text:
            answer = drop_partial_word(answer)
        return Judged(answer, complete, self._filter.answer(item, answer, complete))

    def _until_next_turn(self, text: str) -> tuple[str, bool]:
        """The answer, and whether the next turn's heading follows it.

        Engines cut at stop sequences, but a completion may also begin with one."""
        text = f"\n{text}"
        places = [place for stop in self._stops if (place := text.find(stop)) >= 0]
        return text[: min(places, default=len(text))].strip(), bool(places)
