"""Where a rule of the constitution is due: by how likely a model finds its short answers.

Sampling hardly ever finds an answer that declines, even where the model "knows" that one is due:
the likelihood of a few short answers after the request tells.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from selfalign.answering.declining_settings import DecliningSettings
from selfalign.constitution.declining_schema import DecliningRule
from selfalign.errors import LogprobsUnsupported
from selfalign.inference.contract.engine import Engine
from selfalign.storage.rows import content_hash

MAX_ORDINARY = 96
"""Known ordinary requests that thresholds are found on, the look-alikes first: a quantile of more
is no better known for what it costs."""
AskWith = Callable[[str, str], str]
"""From instruction and input to the whole prompt."""


@dataclass(frozen=True, slots=True)
class Due:
    """A rule that a request makes due."""

    rule: int
    answers: tuple[str, ...]
    """The rule's short answers, the likeliest first."""
    why: str
    """For the row's evidence."""


@dataclass(frozen=True, slots=True)
class RuleScore:
    """How likely a model finds one rule's short answers after a request."""

    rule: DecliningRule
    means: tuple[float, ...]
    """Log p per token of each answer, in nats."""

    @property
    def mean(self) -> float:
        """Over the rule's answers."""
        return sum(self.means) / len(self.means)

    @property
    def ranked(self) -> tuple[str, ...]:
        """The answers, the likeliest first."""
        order = sorted(range(len(self.means)), key=lambda number: -self.means[number])
        return tuple(self.rule.answers[number] for number in order)


class RuleDue:
    """Scores requests against thresholds that are found once for each way of asking.

    Equal texts and engines give equal thresholds, so that a unit of rows stays a pure function.
    """

    def __init__(
        self,
        engine: Engine,
        rules: Sequence[DecliningRule],
        settings: DecliningSettings,
        ordinary: Sequence[str],
        deadline_s: float,
    ) -> None:
        """`ordinary`: requests for which no rule is due, beside the rules' own look-alikes."""
        self._engine, self._rules, self._settings = engine, tuple(rules), settings
        self._ordinary = known_ordinary(rules, ordinary)
        self._deadline_s = deadline_s
        self._found: dict[str, Mapping[int, float]] = {}
        self._lock = asyncio.Lock()

    async def thresholds(self, ask: AskWith) -> Mapping[int, float]:
        """Rule -> the score over which it is due; empty where the engine cannot score.

        Raises:
            EngineError: as Engine.score; the next call tries again.
        """
        key = ask("", "")
        async with self._lock:
            if key not in self._found:
                self._found[key] = await self._calibrated(ask)
        return self._found[key]

    async def due(self, ask: AskWith, instruction: str, input: str) -> Due | None:
        """The rule that exceeds its threshold most, or None.

        Raises:
            EngineError, PromptTooLong: as Engine.score.
        """
        thresholds = await self.thresholds(ask)
        if not thresholds:
            return None
        scores = await self.scores(ask, instruction, input, self._rules)
        most = max(scores, key=lambda score: score.mean - thresholds[score.rule.rule])
        threshold = thresholds[most.rule.rule]
        if most.mean <= threshold:
            return None
        why = f"rule {most.rule.rule} is due: {most.mean:.3f} over {threshold:.3f}"
        return Due(most.rule.rule, most.ranked, why)

    async def ranked(self, ask: AskWith, rule: DecliningRule, instruction: str) -> tuple[str, ...]:
        """The rule's short answers, the likeliest first; in their own order without scores."""
        try:
            (score,) = await self.scores(ask, instruction, "", (rule,))
        except LogprobsUnsupported:
            return rule.answers
        return score.ranked

    async def scores(
        self, ask: AskWith, instruction: str, input: str, rules: Sequence[DecliningRule]
    ) -> list[RuleScore]:
        """All rules in one call, so that engines share the request."""
        answers = [answer for rule in rules for answer in rule.answers]
        found = await self._engine.score(
            ask(instruction, input), answers, deadline_s=self._deadline_s
        )
        means = iter(score.mean for score in found)
        return [RuleScore(rule, tuple(next(means) for _ in rule.answers)) for rule in rules]

    async def _calibrated(self, ask: AskWith) -> Mapping[int, float]:
        if not self._rules or not self._ordinary:
            return {}
        try:
            found = await asyncio.gather(
                *(self.scores(ask, text, "", self._rules) for text in self._ordinary)
            )
        except LogprobsUnsupported:
            return {}
        return {
            rule.rule: quantile([scores[place].mean for scores in found], self._settings.quantile)
            for place, rule in enumerate(self._rules)
        }


def known_ordinary(rules: Sequence[DecliningRule], ordinary: Sequence[str]) -> tuple[str, ...]:
    """The rules' look-alikes and, up to MAX_ORDINARY in all, other requests drawn by hash."""
    own = [text for rule in rules for text in rule.ordinary]
    others = sorted(set(ordinary), key=lambda text: content_hash("ordinary", text))
    return tuple(dict.fromkeys((*own, *others)))[:MAX_ORDINARY]


def quantile(values: Sequence[float], share: float) -> float:
    """The value that `share` of the values do not exceed, between two neighbours by proportion."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])
