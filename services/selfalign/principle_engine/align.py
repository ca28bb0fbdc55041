"""Answering prompts with the constitution in context, and filtering the answers."""

from dataclasses import dataclass, replace

from selfalign.constitution.model import Constitution
from selfalign.constitution.parse import ParsedCompletion, parse_completion
from selfalign.constitution.render import (
    engine_stops,
    render_answer_cue,
    render_prefix,
    render_query,
)
from selfalign.filters.attempts import Attempt, attempt_row
from selfalign.filters.checks import drop_partial_word, replace_name
from selfalign.filters.repeats import cut_loops
from selfalign.inference.engine import Completion, Engine
from selfalign.principle_engine.filters import AlignFilter, Candidate, rules_disagree
from selfalign.principle_engine.settings import PrincipleEngineSettings
from selfalign.settings.sampling import SamplingParams
from selfalign.storage.rows import PromptItem, Row


@dataclass(frozen=True, slots=True)
class _Answered:
    """A completion of one or two calls, put together."""

    text: str
    last: Completion
    calls: tuple[Completion, ...]


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
        self.prefix = render_prefix(constitution)
        """Byte-identical for all prompts, so that the engine's prefix cache hits."""
        self.settings = settings
        self._c = constitution
        self._engine = engine
        self._filter = AlignFilter(constitution, settings.filters)
        stops = engine_stops(constitution)
        two_call = settings.mode == "two_call"
        again = (f"\n\n{constitution.wording.answer_header}",) if two_call else ()
        self.params = SamplingParams(
            max_new_tokens=settings.max_new_tokens,
            temperature=settings.temperature,
            top_p=settings.top_p,
            repetition_penalty=settings.repetition_penalty,
            stop=(*stops, *again),
        )
        self._thoughts_params = self.params.model_copy(
            update={"max_new_tokens": settings.thoughts_tokens, "stop": ("\n",)}
        )

    async def align(self, item: PromptItem) -> Row:
        """Exactly one row for the prompt: accepted, rejected with a filter's reason, or failed
        with an engine error's name."""
        prompt = self.prefix + render_query(self._c, item.instruction, item.input)

        async def attempt(seed: int) -> Attempt:
            answered = await self._ask(prompt, seed)
            return self._judge(item, answered)

        row = await attempt_row(item, self.settings.retries, attempt)
        return replace(row, model_id=self.model_id)

    async def _ask(self, prompt: str, seed: int) -> _Answered:
        if self.settings.mode == "one_call":
            only = await self._generate(prompt, self.params, seed)
            return _Answered(only.text, only, (only,))
        opening = f" {self._c.wording.opening}" if self.settings.opening_given else ""
        first = await self._generate(prompt + opening, self._thoughts_params, seed)
        thoughts = f"{opening}{first.text}".strip()
        lead = f" {self.settings.answer_lead}" if self.settings.answer_lead else ""
        cue = render_answer_cue(self._c, thoughts) + lead
        second = await self._generate(prompt + cue, self.params, seed)
        return _Answered(cue + second.text, second, (first, second))

    async def _generate(self, prompt: str, params: SamplingParams, seed: int) -> Completion:
        return await self._engine.generate(
            prompt, params, seed=seed, deadline_s=self.settings.deadline_s
        )

    def _judge(self, item: PromptItem, answered: _Answered) -> Attempt:
        parsed = parse_completion(self._c, answered.text)
        complete = parsed.ended or answered.last.finish_reason != "length"
        answer = self._edited(parsed, complete)
        finding = self._filter.form(parsed) or self._filter.answer(
            Candidate(item, parsed.thoughts, answer, complete)
        )
        disagreement = rules_disagree(parsed.rules, self._c)
        return Attempt(
            completion=answered.text,
            thoughts=parsed.thoughts,
            rules=tuple(dict.fromkeys(rule.id for rule in parsed.rules if rule.known)),
            answer=answer,
            complete=complete,
            finish_reason=answered.last.finish_reason,
            prompt_tokens=sum(call.prompt_tokens for call in answered.calls),
            completion_tokens=sum(call.completion_tokens for call in answered.calls),
            latency_ms=sum(call.latency_ms for call in answered.calls),
            finding=finding,
            notes=(f"rules: {disagreement.evidence}",) if disagreement else (),
        )

    def _edited(self, parsed: ParsedCompletion, complete: bool) -> str:
        """The answer without its loops, under the student's name."""
        answer = cut_loops(parsed.answer or "", self.settings.filters.loops)
        if not complete and answer == parsed.answer:
            answer = drop_partial_word(answer)
        return replace_name(answer, self._c.name, self._c.student.name)
