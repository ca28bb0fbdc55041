"""Asking a model for thoughts and an answer under the constitution, in one call or in two."""

from dataclasses import dataclass

from selfalign.answering.answer_settings import Calls
from selfalign.constitution.render import render_answer_cue, render_prefix, render_query
from selfalign.constitution.schema import Constitution
from selfalign.inference.contract.engine import Completion, Engine
from selfalign.settings.sampling import SamplingParams


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPlan:
    """In how many calls a model is asked, and what each may write."""

    calls: Calls
    sampling: SamplingParams
    """Of thoughts and answer together; with two calls of the answer alone."""
    thoughts_tokens: int
    """Length limit of the thoughts, with two calls."""
    deadline_s: float
    """For each call."""
    opening_given: bool = False
    """Give the opening sentence of the thoughts to the model, with two calls."""
    answer_lead: str = ""
    """First words of every answer, given to the model; with two calls."""

    @property
    def longest(self) -> SamplingParams:
        """Sampling whose max_new_tokens covers all that follows the query."""
        if self.calls == "one":
            return self.sampling
        total = self.sampling.max_new_tokens + self.thoughts_tokens
        return self.sampling.model_copy(update={"max_new_tokens": total})


class ConstitutionCaller:
    """Asks one engine under one constitution (paper, section 3.2). Stateless."""

    def __init__(self, constitution: Constitution, engine: Engine, plan: CallPlan) -> None:
        self.prefix = render_prefix(constitution)
        """Byte-identical for all prompts, so that the engine's prefix cache hits."""
        self.plan = plan
        self._c = constitution
        self._engine = engine
        # The thoughts are one line: their exemplars are, too.
        self._thoughts = plan.sampling.model_copy(
            update={"max_new_tokens": plan.thoughts_tokens, "stop": ("\n",)}
        )

    async def ask(self, instruction: str, input: str, seed: int) -> Completion:
        """All that follows the header of the thoughts, put together where two calls wrote it.

        Tokens and latency are summed over the calls; the finish reason is the last one's.

        Raises:
            EngineError, PromptTooLong: as Engine.generate.
        """
        prompt = self.prefix + render_query(self._c, instruction, input)
        if self.plan.calls == "one":
            return await self._generate(prompt, self.plan.sampling, seed)
        opening = f" {self._c.wording.opening}" if self.plan.opening_given else ""
        first = await self._generate(prompt + opening, self._thoughts, seed)
        cue = render_answer_cue(self._c, f"{opening}{first.text}")
        if self.plan.answer_lead:
            cue += f" {self.plan.answer_lead}"
        second = await self._generate(prompt + cue, self.plan.sampling, seed)
        return Completion(
            text=cue + second.text,
            finish_reason=second.finish_reason,
            prompt_tokens=first.prompt_tokens + second.prompt_tokens,
            completion_tokens=first.completion_tokens + second.completion_tokens,
            latency_ms=first.latency_ms + second.latency_ms,
        )

    async def _generate(self, prompt: str, params: SamplingParams, seed: int) -> Completion:
        return await self._engine.generate(
            prompt, params, seed=seed, deadline_s=self.plan.deadline_s
        )
