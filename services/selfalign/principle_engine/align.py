"""Answering prompts with the constitution in context, and filtering the answers."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from selfalign.answering.answers import Answering
from selfalign.answering.attempts import Attempt
from selfalign.answering.constitution_calls import CallPlan, ConstitutionCaller
from selfalign.answering.declining import Declining, GivenOpening
from selfalign.answering.selection import BestOf
from selfalign.constitution.parse import ParsedCompletion, parse_completion
from selfalign.constitution.render import GAP, engine_stops
from selfalign.constitution.schema import Constitution
from selfalign.filters.checks import drop_partial_word, replace_name
from selfalign.filters.published import Judged
from selfalign.filters.repeats import cut_loops
from selfalign.inference.contract.engine import Completion, Engine
from selfalign.layout.contract import Layout
from selfalign.layout.headers import HeadersLayout
from selfalign.principle_engine.align_filters import AlignFilter, CandidateAnswer, rules_disagree
from selfalign.principle_engine.align_settings import PrincipleEngineSettings
from selfalign.principle_engine.published_align import PublishedAlignFilter
from selfalign.settings.sampling import SamplingParams
from selfalign.storage.rows import PromptItem, Row


class Aligner:
    """Principle-driven self-alignment of single prompts (paper, section 3.2). Stateless."""

    def __init__(
        self,
        constitution: Constitution,
        engine: Engine,
        settings: PrincipleEngineSettings,
        model_id: str = "",
        layout: Layout | None = None,
        ordinary: Sequence[str] = (),
    ) -> None:
        """Scores, and asks where `calls` is chat, in `layout` where a call names no other; by
        default under the headers. `ordinary` are requests that no rule declines; see RuleDue."""
        self.model_id = model_id
        """Written into the rows."""
        self.layout = layout or HeadersLayout(constitution)
        self.settings = settings
        best = BestOf(engine, settings.selection, settings.deadline_s)
        sampled = settings.model_copy(update={"sampling": best.sampling(settings.sampling)})
        self.caller = ConstitutionCaller(constitution, engine, _plan(constitution, sampled))
        self.declining = Declining(
            constitution, engine, settings.declining, ordinary, settings.deadline_s
        )
        self._answering = Answering(
            best, self.declining, settings.retries, settings.filters.refusals == "due"
        )
        self._engine = engine
        self._sampling = sampled.sampling
        self._c = constitution
        self._filter = AlignFilter(constitution, settings.filters)
        self._published = PublishedAlignFilter(constitution)

    def calls(self, layout: Layout) -> Literal["one", "two", "chat"]:
        """How a question is asked in a layout."""
        if self.settings.calls == "auto":
            return "two" if isinstance(layout, HeadersLayout) else "chat"
        return self.settings.calls

    async def align(self, item: PromptItem, layout: Layout | None = None) -> Row:
        """Exactly one row for the prompt: accepted, rejected with a filter's reason, or failed
        with an engine error's name."""
        layout = layout or self.layout
        model = GivenOpening(self._engine, self._chat_params(layout), self.settings.deadline_s)

        async def judged(seed: int) -> Attempt:
            if self.calls(layout) == "chat":
                return await self._chat(item, seed, layout)
            return await self._under_constitution(item, seed)

        row = await self._answering.row(item, layout.own_prompt, judged, model)
        return replace(row, model_id=self.model_id)

    def longest(self, layout: Layout) -> tuple[str, SamplingParams]:
        """What stands before every question, and the sampling that covers all that follows it."""
        if self.calls(layout) == "chat":
            before = layout.own_prompt("", system=self.settings.chat_system)
            return before, self._chat_params(layout)
        return self.caller.prefix, self.caller.plan.longest

    def _chat_params(self, layout: Layout) -> SamplingParams:
        return self._sampling.model_copy(update={"stop": layout.stops})

    async def _under_constitution(self, item: PromptItem, seed: int) -> Attempt:
        return self._judge(item, await self.caller.ask(item.instruction, item.input, seed))

    async def _chat(self, item: PromptItem, seed: int, layout: Layout) -> Attempt:
        prompt = layout.own_prompt(item.instruction, item.input, self.settings.chat_system)
        completion = await self._engine.generate(
            prompt, self._chat_params(layout), seed=seed, deadline_s=self.settings.deadline_s
        )
        complete = completion.finish_reason != "length"
        text = completion.text.strip()
        answer = cut_loops(text, self.settings.filters.loops)
        if not complete and answer == text:
            answer = drop_partial_word(answer)
        rejection = self._filter.answer(CandidateAnswer(item, "", answer, complete))
        return _attempt(completion, Judged(answer, complete, rejection))

    def _judge(self, item: PromptItem, completion: Completion) -> Attempt:
        parsed = parse_completion(self._c, completion.text)
        judged = self._judged(item, parsed, completion)
        disagreement = rules_disagree(parsed.rules, self._c)
        return replace(
            _attempt(completion, judged),
            thoughts=parsed.thoughts,
            rules=tuple(dict.fromkeys(rule.id for rule in parsed.rules if rule.known)),
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


def _attempt(completion: Completion, judged: Judged) -> Attempt:
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


def _plan(c: Constitution, settings: PrincipleEngineSettings) -> CallPlan:
    published = settings.filters.preset == "published"
    stops = PublishedAlignFilter(c).stops if published else engine_stops(c)
    one = settings.calls == "one"
    if not one and not published:
        # The header of the answer is given, so that a second one starts another answer.
        stops = (*stops, f"{GAP}{c.wording.answer_header}")
    return CallPlan(
        calls="one" if one else "two",
        sampling=settings.sampling.model_copy(update={"stop": stops}),
        thoughts_tokens=settings.thoughts_tokens,
        deadline_s=settings.deadline_s,
        opening_given=settings.opening_given,
        answer_lead=settings.answer_lead,
    )
