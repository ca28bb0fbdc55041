"""Declining where a rule is due, and answering where none is."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from selfalign.answering.attempts import Attempt
from selfalign.answering.declining_settings import DecliningSettings
from selfalign.answering.own_requests import SOURCE, answer_number
from selfalign.answering.rule_due import AskWith, Due, RuleDue
from selfalign.constitution.beginnings import beginnings, begun_as
from selfalign.constitution.schema import Constitution
from selfalign.filters.checks import excerpt
from selfalign.filters.declining import declines
from selfalign.filters.rejection import Rejection
from selfalign.inference.contract.engine import Completion, Engine
from selfalign.settings.prompt_source import REQUEST, SEED
from selfalign.settings.sampling import SamplingParams
from selfalign.storage.rows import PromptItem

_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_TURN = re.compile(
    r"\b(?:however|but|that said|having said that|nevertheless|still|instead, here|"
    r"here(?:'s| is| are))\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class GivenOpening:
    """How a model goes on after a short answer."""

    engine: Engine
    params: SamplingParams
    deadline_s: float


class Declining:
    """What the constitution's section `declining` means for single prompts. Stateless but for the
    thresholds of RuleDue."""

    def __init__(
        self,
        constitution: Constitution,
        engine: Engine,
        settings: DecliningSettings,
        ordinary: Sequence[str],
        deadline_s: float,
    ) -> None:
        self.settings = settings
        rules = constitution.declining if settings.enabled else ()
        self._detector = RuleDue(engine, rules, settings, ordinary, deadline_s)
        self._requests = {text: rule for rule in rules for text in rule.requests}
        self._beginnings = beginnings(rules)
        self._detects = bool(rules) and settings.detected != "ignore"

    async def calibrate(self, ask: AskWith) -> None:
        """Finds the thresholds, once. Raises EngineError, as Engine.score."""
        if self._detects:
            await self._detector.usual(ask)

    async def due(self, item: PromptItem, ask: AskWith) -> Due | None:
        """The rule that the prompt makes due: known for the constitution's own requests and
        look-alikes and for task seeds, told by beginning and likelihood for those of source
        `request`, and by likelihood alone for the others.

        Raises:
            EngineError, PromptTooLong: as Engine.score.
        """
        if item.source == SOURCE:
            rule = self._requests.get(item.instruction)
            if rule is None:
                return None
            ranked = await self._detector.ranked(ask, rule, item.instruction)
            first = answer_number(item, self.settings.answers_per_request) % len(ranked)
            answers = (*ranked[first:], *ranked[:first])
            return Due(rule.rule, answers, f"rule {rule.rule} is due: the constitution says so")
        if item.source == SEED:
            return None
        if item.source == REQUEST and self._beginnings:
            begun = begun_as(item.instruction, self._beginnings)
            return await self._detector.due_as_begun(ask, item.instruction, item.input, begun)
        if not self._detects:
            return None
        return await self._detector.due(ask, item.instruction, item.input)

    def turned_down(self, item: PromptItem, due: Due | None) -> Attempt | None:
        """A rejection where prompts of the run that make a rule due are left out, and of those
        begun as a request that may make one due."""
        if due is None or item.source == SOURCE:
            return None
        if due.undecided:
            return _attempt("", None, Rejection("undecided", due.why))
        if item.source == REQUEST or self.settings.detected != "reject":
            return None
        return _attempt("", None, Rejection("due", due.why))

    async def answer(self, due: Due, prompt: str, seed: int, model: GivenOpening) -> Attempt:
        """An answer that declines: the rule's short answer, and what the model adds to it."""
        opening = due.answers[0]
        if not self.settings.continued:
            return _attempt(opening, due)
        completion = await model.engine.generate(
            prompt + opening, model.params, seed=seed, deadline_s=model.deadline_s
        )
        complete = completion.finish_reason != "length"
        text = f"{opening} {unturned(completion.text, complete)}".strip()
        return _attempt(text if declines(text) else opening, due, completion=completion)


def unturned(text: str, complete: bool) -> str:
    """The sentences before the first that turns round; without one that the length limit cut."""
    kept = []
    sentences = _SENTENCE.split(text.strip())
    for sentence in sentences if complete else sentences[:-1]:
        if _TURN.search(sentence):
            break
        kept.append(sentence)
    return " ".join(kept)


def misplaced(answer: str, due: Due | None) -> Rejection | None:
    """`complied`: a rule is due, and the answer does not decline. `declined`: none is, and it
    does."""
    found = declines(answer)
    if due is not None and found is None:
        return Rejection(
            "complied", f"{due.why}, and the answer does not decline: {excerpt(answer)}"
        )
    if due is None and found is not None:
        return Rejection("declined", f"no rule is due, and the answer declines: {found!r}")
    return None


def _attempt(
    answer: str,
    due: Due | None,
    rejection: Rejection | None = None,
    completion: Completion | None = None,
) -> Attempt:
    return Attempt(
        completion=answer,
        answer=answer,
        complete=True,
        finish_reason=completion.finish_reason if completion else "",
        prompt_tokens=completion.prompt_tokens if completion else 0,
        completion_tokens=completion.completion_tokens if completion else 0,
        latency_ms=completion.latency_ms if completion else 0.0,
        rules=(due.rule,) if due and not due.undecided else (),
        rejection=rejection,
        notes=(due.why,) if due else (),
    )
