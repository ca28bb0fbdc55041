"""How likely a model finds a rule's short answers, and what is usual where the rule is not due."""

from collections.abc import Sequence
from dataclasses import dataclass

from selfalign.answering.declining_settings import DecliningSettings
from selfalign.constitution.declining_schema import DecliningRule


@dataclass(frozen=True, slots=True)
class Usual:
    """How likely a model finds a rule's short answers after ordinary requests."""

    threshold: float
    """Over this mean of all answers, the rule is due; in nats per token."""
    clear: float
    """Up to this mean, a prompt that begins as a look-alike is one."""
    sure: float
    """Over this mean, a prompt that begins as a request of the rule is one."""
    means: tuple[float, ...]
    """Log p per token of each answer, over all ordinary requests."""


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

    def ranked(self, usual: Usual) -> tuple[str, ...]:
        """The answers, those first that are likelier than usual by most.

        By likelihood alone the commonest words would always come first: the student would learn one
        sentence, and say it everywhere.
        """
        gains = [mean - other for mean, other in zip(self.means, usual.means, strict=True)]
        order = sorted(range(len(gains)), key=lambda number: -gains[number])
        return tuple(self.rule.answers[number] for number in order)


def usual_of(
    ordinary: Sequence[RuleScore], requests: Sequence[RuleScore], settings: DecliningSettings
) -> Usual:
    """Of one rule's scores after every ordinary request, and after its own ones."""
    means = [score.mean for score in ordinary]
    own = [score.mean for score in requests]
    columns = zip(*(score.means for score in ordinary), strict=True)
    clear = quantile(means, settings.look_alike_quantile)
    return Usual(
        quantile(means, settings.quantile),
        clear,
        max(clear, quantile(own, settings.request_quantile)) if own else clear,
        tuple(sum(column) / len(ordinary) for column in columns),
    )


def quantile(values: Sequence[float], share: float) -> float:
    """The value that `share` of the values do not exceed, between two neighbours by proportion."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])
