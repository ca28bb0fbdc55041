"""Shares with Wilson intervals, and exact paired tests: what every comparison of arms rests on."""

import math
from collections.abc import Iterable
from statistics import NormalDist
from typing import NamedTuple

from selfalign.evaluation.results import IntervalEstimate, PairedTest

CONFIDENCE = 0.95


def wilson(successes: int, n: int, confidence: float = CONFIDENCE) -> IntervalEstimate:
    """The share successes / n with its Wilson score interval (Wilson 1927).

    Unlike the bootstrap's it does not shrink to a point where all n are alike, and it stays
    within 0..1.

    Args:
        successes: 0 to n.
        n: Independent items, at least 1; see `share` for items that may be none.
        confidence: Of the two-sided interval, between 0 and 1.

    Raises:
        ValueError: an argument is outside of its range.
    """
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"wilson: {successes} of {n}; expected 0 <= successes <= n and n >= 1")
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"wilson: confidence {confidence}; expected a number between 0 and 1")
    z = NormalDist().inv_cdf((1.0 + confidence) / 2.0)
    value = successes / n
    middle = (value + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(value * (1 - value) / n + (z / (2 * n)) ** 2)
    # Rounding must not put the share outside its own interval, nor an end outside 0..1.
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    return IntervalEstimate(value=value, low=min(low, value), high=max(high, value), n=n)


def share(outcomes: Iterable[bool], confidence: float = CONFIDENCE) -> IntervalEstimate | None:
    """The share of true outcomes with its Wilson interval; None without outcomes."""
    found = list(outcomes)
    return wilson(sum(found), len(found), confidence) if found else None


class Pair(NamedTuple):
    """What two arms made of the same item."""

    baseline: bool
    other: bool


def mcnemar(pairs: Iterable[tuple[bool, bool]]) -> PairedTest:
    """The exact two-sided McNemar test of two arms over the same items.

    Only items on which the arms differ count: if neither is better, each goes to either side with
    probability 1/2. p is the probability of a split at least as uneven as the one found; 1 where
    the arms differ on nothing.

    Args:
        pairs: For each item (success of the baseline, success of the other arm).
    """
    found = [Pair(*pair) for pair in pairs]
    won = sum(pair.other and not pair.baseline for pair in found)
    lost = sum(pair.baseline and not pair.other for pair in found)
    return PairedTest(won=won, lost=lost, n=len(found), p=sign_test(won, lost))


def sign_test(won: int, lost: int) -> float:
    """Two-sided p of so uneven a split of won + lost fair coins.

    In whole numbers up to the last division, so that no term is lost however many there are.
    """
    discordant = won + lost
    tail = sum(math.comb(discordant, k) for k in range(min(won, lost) + 1))
    return min(1.0, 2 * tail / (1 << discordant))
