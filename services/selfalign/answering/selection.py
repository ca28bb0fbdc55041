"""Best of n answers to one prompt, by the likelihood ratio (see answering.likelihood)."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from selfalign.answering.attempts import Attempt
from selfalign.answering.likelihood import likelihood_ratios
from selfalign.answering.selection_settings import SelectionSettings
from selfalign.errors import LogprobsUnsupported
from selfalign.filters.checks import excerpt
from selfalign.filters.rejection import Rejection
from selfalign.filters.words import ngrams, overlap, words
from selfalign.inference.contract.engine import Engine
from selfalign.settings.sampling import SamplingParams
from selfalign.storage.rows import derive_seed

_NGRAM = 3
Try = Callable[[int], Awaitable[Attempt]]
"""One answer from one seed, judged by the filters."""


@dataclass(frozen=True, slots=True)
class Question:
    """What the candidates answer, and how an engine is asked it for scoring."""

    text: str
    """Instruction and input as the user wrote them."""
    asked: str
    """The whole prompt with the question."""
    blank: str
    """The same with an empty question."""


@dataclass(frozen=True, slots=True)
class BestOf:
    """Chooses among candidates. Stateless: equal seeds and texts give the same choice."""

    engine: Engine
    settings: SelectionSettings
    deadline_s: float
    """For each call that scores."""

    def sampling(self, params: SamplingParams) -> SamplingParams:
        """How candidates are sampled."""
        given = {"temperature": self.settings.temperature, "top_p": self.settings.top_p}
        return params.model_copy(
            update={name: value for name, value in given.items() if value is not None}
        )

    async def choose(self, question: Question, one: Try, seed: int) -> Attempt:
        """The likeliest of the candidates that pass; the first one where none does.

        Tokens are those of all candidates, latency is that of the slowest.

        Raises:
            EngineError, PromptTooLong: as the engine's calls.
        """
        seeds = candidate_seeds(seed, self.settings.candidates)
        tries = await asyncio.gather(*(one(number) for number in seeds))
        tries = [self._without_copies(attempt, question.text) for attempt in tries]
        passed = [attempt for attempt in tries if attempt.rejection is None]
        chosen = tries[0]
        if passed:
            chosen = await self._likeliest(question, passed) if self.settings.scores else passed[0]
        notes = chosen.notes
        if len(tries) > 1:
            notes = (*notes, f"{len(passed)} of {len(tries)} candidates passed")
        return replace(
            chosen,
            notes=notes,
            prompt_tokens=sum(attempt.prompt_tokens for attempt in tries),
            completion_tokens=sum(attempt.completion_tokens for attempt in tries),
            latency_ms=max(attempt.latency_ms for attempt in tries),
        )

    def _without_copies(self, attempt: Attempt, asked: str) -> Attempt:
        rejection = attempt.rejection or copied(attempt.answer, asked, self.settings.copied_share)
        return replace(attempt, rejection=rejection)

    async def _likeliest(self, question: Question, passed: Sequence[Attempt]) -> Attempt:
        try:
            ratios = await likelihood_ratios(
                self.engine,
                question.asked,
                question.blank,
                [attempt.answer for attempt in passed],
                self.deadline_s,
            )
        except LogprobsUnsupported:
            note = "not scored: the engine gives no log-probabilities of a prompt; the first one"
            return replace(passed[0], notes=(*passed[0].notes, note))
        # The first of equal ones: max keeps it.
        best = max(range(len(passed)), key=ratios.__getitem__)
        chosen = replace(passed[best], score=ratios[best])
        least = self.settings.min_ratio
        if least is not None and ratios[best] < least:
            evidence = f"a likelihood ratio of {ratios[best]:.3f}, less than {least:g}"
            chosen = replace(chosen, rejection=Rejection("off_task", evidence))
        return chosen


def candidate_seeds(seed: int, count: int) -> list[int]:
    """A seed for each candidate; the first has the row's own, as where there is no choice."""
    return [
        seed if number == 0 else derive_seed(seed, "candidate", number) for number in range(count)
    ]


def copied(answer: str, asked: str, max_share: float) -> Rejection | None:
    """`copied`: the answer repeats the prompt's words instead of adding its own."""
    if max_share >= 1:
        return None
    found = overlap(words(answer), frozenset(ngrams(words(asked), _NGRAM)), _NGRAM)
    if found.share <= max_share:
        return None
    run = excerpt(" ".join(found.longest))
    return Rejection("copied", f"{found.share:.0%} of its {_NGRAM}-grams are the prompt's: {run}")
