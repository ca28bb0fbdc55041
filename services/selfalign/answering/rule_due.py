"""Where a rule of the constitution is due: by how likely a model finds its short answers.

Sampling hardly ever finds an answer that declines, even where the model "knows" that one is due:
the likelihood of a few short answers after the request tells.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from selfalign.answering.declining_settings import DecliningSettings
from selfalign.answering.rule_scores import RuleScore, Usual, usual_of
from selfalign.constitution.beginnings import Beginning
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
    """The rule's short answers, those first that the request makes likelier most."""
    why: str
    """For the row's evidence."""
    undecided: bool = False
    """Neither an answer nor declining would surely be right; no rule then, and no answers."""


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
        self._found: dict[str, Mapping[int, Usual]] = {}
        self._lock = asyncio.Lock()

    async def usual(self, ask: AskWith) -> Mapping[int, Usual]:
        """Rule -> how likely its answers are where it is not due; empty where the engine cannot
        score.

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
        usual = await self.usual(ask)
        if not usual:
            return None
        scores = await self.scores(ask, instruction, input, self._rules)
        most = max(scores, key=lambda score: score.mean - usual[score.rule.rule].threshold)
        at = usual[most.rule.rule]
        if most.mean <= at.threshold:
            return None
        why = f"rule {most.rule.rule} is due: {most.mean:.3f} over {at.threshold:.3f}"
        return Due(most.rule.rule, most.ranked(at), why)

    async def due_as_begun(
        self, ask: AskWith, instruction: str, input: str, begun: Beginning | None
    ) -> Due | None:
        """What a prompt's beginning says, where its likelihood agrees; otherwise it is undecided,
        and so is every prompt without scores.

        Raises:
            EngineError, PromptTooLong: as Engine.score.
        """
        usual = await self.usual(ask)
        if not usual:
            return undecided("the engine gives no log-probabilities to tell by")
        scores = await self.scores(ask, instruction, input, self._rules)
        if begun is None or not begun.due:
            over = {score.rule.rule: score.mean - usual[score.rule.rule].clear for score in scores}
            most = max(over, key=lambda rule: over[rule])
            if over[most] <= 0:
                return None
            return undecided(f"rule {most} may be due: {over[most]:.3f} over what is clear")
        score = next(score for score in scores if score.rule.rule == begun.rule)
        at = usual[begun.rule]
        begins = f"begins as a request of rule {begun.rule}: {score.mean:.3f}"
        if score.mean <= at.sure:
            return undecided(f"{begins}, not over {at.sure:.3f}")
        return Due(begun.rule, score.ranked(at), f"{begins} over {at.sure:.3f}")

    async def ranked(self, ask: AskWith, rule: DecliningRule, instruction: str) -> tuple[str, ...]:
        """The rule's short answers, those first that the request makes likelier most; in their own
        order without scores.

        Raises:
            EngineError, PromptTooLong: as Engine.score.
        """
        usual = await self.usual(ask)
        if rule.rule not in usual:
            return rule.answers
        (score,) = await self.scores(ask, instruction, "", (rule,))
        return score.ranked(usual[rule.rule])

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

    async def _calibrated(self, ask: AskWith) -> Mapping[int, Usual]:
        if not self._rules or not self._ordinary:
            return {}
        try:
            found = await self._means(ask, self._ordinary, self._rules)
            return {
                rule.rule: usual_of(
                    [scores[place] for scores in found],
                    [own for (own,) in await self._means(ask, rule.requests, (rule,))],
                    self._settings,
                )
                for place, rule in enumerate(self._rules)
            }
        except LogprobsUnsupported:
            return {}

    async def _means(
        self, ask: AskWith, texts: Sequence[str], rules: Sequence[DecliningRule]
    ) -> list[list[RuleScore]]:
        return await asyncio.gather(*(self.scores(ask, text, "", rules) for text in texts))


def undecided(why: str) -> Due:
    """What is neither answered nor declined, for the reason `why`."""
    return Due(0, (), why, undecided=True)


def known_ordinary(rules: Sequence[DecliningRule], ordinary: Sequence[str]) -> tuple[str, ...]:
    """The rules' look-alikes and, up to MAX_ORDINARY in all, other requests drawn by hash."""
    own = [text for rule in rules for text in rule.ordinary]
    others = sorted(set(ordinary), key=lambda text: content_hash("ordinary", text))
    return tuple(dict.fromkeys((*own, *others)))[:MAX_ORDINARY]
