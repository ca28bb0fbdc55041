"""Answering prompts with the constitution in context, and filtering the answers."""

from dataclasses import replace

from selfalign.answering.attempts import Attempt, attempt_row
from selfalign.answering.constitution_calls import CallPlan, ConstitutionCaller
from selfalign.constitution.parse import ParsedCompletion, parse_completion
from selfalign.constitution.render import GAP, engine_stops
from selfalign.constitution.schema import Constitution
from selfalign.filters.checks import drop_partial_word, replace_name
from selfalign.filters.published import Judged
from selfalign.filters.repeats import cut_loops
from selfalign.inference.contract.engine import Completion, Engine
from selfalign.principle_engine.align_filters import AlignFilter, CandidateAnswer, rules_disagree
from selfalign.principle_engine.align_settings import PrincipleEngineSettings
from selfalign.principle_engine.published_align import PublishedAlignFilter
from selfalign.storage.rows import PromptItem, Row


class Aligner:
    """Principle-driven self-alignment of single prompts (paper, section 3.2). Stateless."""

    def __init__(
        self,
        constitution: Constitution,
        engine: Engine,
        settings: PrincipleEngineSettings,
        model_id: str = "",
    ) -> None:
        self.model_id = model_id
        """Written into the rows."""
        self.settings = settings
        self.caller = ConstitutionCaller(constitution, engine, _plan(constitution, settings))
        self._c = constitution
        self._filter = AlignFilter(constitution, settings.filters)
        self._published = PublishedAlignFilter(constitution)

    async def align(self, item: PromptItem) -> Row:
        """Exactly one row for the prompt: accepted, rejected with a filter's reason, or failed
        with an engine error's name."""

        async def attempt(seed: int) -> Attempt:
            return self._judge(item, await self.caller.ask(item.instruction, item.input, seed))

        row = await attempt_row(item, self.settings.retries, attempt)
        return replace(row, model_id=self.model_id)

    def _judge(self, item: PromptItem, completion: Completion) -> Attempt:
        parsed = parse_completion(self._c, completion.text)
        judged = self._judged(item, parsed, completion)
        disagreement = rules_disagree(parsed.rules, self._c)
        return Attempt(
            completion=completion.text,
            thoughts=parsed.thoughts,
            rules=tuple(dict.fromkeys(rule.id for rule in parsed.rules if rule.known)),
            answer=judged.answer,
            complete=judged.complete,
            finish_reason=completion.finish_reason,
            prompt_tokens=completion.prompt_tokens,
            completion_tokens=completion.completion_tokens,
            latency_ms=completion.latency_ms,
            rejection=judged.rejection,
            notes=(f"rules: {disagreement.evidence}",) if disagreement else (),
        )

    def _judged(self, item: PromptItem, parsed: ParsedCompletion, completion: Completion) -> Judged:
        """The verdict of the filters that the settings name."""
        if self.settings.filters.preset == "published":
            return self._published.judge(completion)
        complete = parsed.ended or completion.finish_reason != "length"
        answer = self._edited(parsed, complete)
        candidate = CandidateAnswer(item, parsed.thoughts, answer, complete)
        rejection = self._filter.form(parsed) or self._filter.answer(candidate)
        return Judged(answer, complete, rejection)

    def _edited(self, parsed: ParsedCompletion, complete: bool) -> str:
        """The answer without its loops, under the student's name."""
        answer = cut_loops(parsed.answer or "", self.settings.filters.loops)
        if not complete and answer == parsed.answer:
            answer = drop_partial_word(answer)
        return replace_name(answer, self._c.name, self._c.student.name)


def _plan(c: Constitution, settings: PrincipleEngineSettings) -> CallPlan:
    published = settings.filters.preset == "published"
    stops = PublishedAlignFilter(c).stops if published else engine_stops(c)
    if settings.calls == "two" and not published:
        # The header of the answer is given, so that a second one starts another answer.
        stops = (*stops, f"{GAP}{c.wording.answer_header}")
    return CallPlan(
        calls=settings.calls,
        sampling=settings.sampling.model_copy(update={"stop": stops}),
        thoughts_tokens=settings.thoughts_tokens,
        deadline_s=settings.deadline_s,
        opening_given=settings.opening_given,
        answer_lead=settings.answer_lead,
    )
