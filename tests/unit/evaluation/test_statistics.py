"""Wilson intervals and exact paired tests, against published values and brute force."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfalign.evaluation.statistics import mcnemar, share, wilson

COUNTS = st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        # Newcombe 1998 (Statistics in Medicine 17), table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (20, 20, 0.8389, 1.0),
    ],
)
def test_wilson_has_the_published_values(successes: int, n: int, low: float, high: float) -> None:
    found = wilson(successes, n)
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)
    assert (found.value, found.n) == (successes / n, n)


@given(COUNTS, st.floats(0.5, 0.999))
def test_wilsons_ends_are_where_a_score_test_turns(
    counts: tuple[int, int], confidence: float
) -> None:
    successes, n = counts
    found = wilson(successes, n, confidence)
    assert 0.0 <= found.low <= found.value <= found.high <= 1.0
    for end in (found.low, found.high):
        # At an end q of the interval |value - q| is exactly z standard errors of q.
        if 1e-9 < end < 1 - 1e-9:
            z = abs(found.value - end) / math.sqrt(end * (1 - end) / n)
            assert math.erf(z / math.sqrt(2)) == pytest.approx(confidence, abs=1e-6)


@given(COUNTS)
def test_more_confidence_is_wider_and_the_mirror_image_is_mirrored(counts: tuple[int, int]) -> None:
    successes, n = counts
    narrow, wide = wilson(successes, n, 0.8), wilson(successes, n, 0.99)
    assert wide.low <= narrow.low
    assert narrow.high <= wide.high
    mirrored = wilson(n - successes, n, 0.8)
    assert (1 - mirrored.high, 1 - mirrored.low) == pytest.approx((narrow.low, narrow.high))


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (-1, 3), (4, 3), (1, -1)])
def test_impossible_counts_are_refused(successes: int, n: int) -> None:
    with pytest.raises(ValueError, match=f"{successes} of {n}; expected"):
        wilson(successes, n)


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0, math.nan])
def test_impossible_confidences_are_refused(confidence: float) -> None:
    with pytest.raises(ValueError, match="confidence"):
        wilson(1, 2, confidence)


def test_no_outcomes_have_no_share() -> None:
    assert share([]) is None
    assert share([True, False, True]) == wilson(2, 3)


def brute_force(won: int, lost: int) -> float:
    """The share of all outcomes of won + lost coins that are at least as uneven."""
    coins = won + lost
    splits = [abs(2 * sum(each) - coins) for each in itertools.product((0, 1), repeat=coins)]
    return sum(split >= abs(won - lost) for split in splits) / len(splits)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=18))
def test_mcnemar_counts_every_split(pairs: list[tuple[bool, bool]]) -> None:
    found = mcnemar(pairs)
    assert found.won == pairs.count((False, True))
    assert found.lost == pairs.count((True, False))
    assert found.n == len(pairs)
    assert found.p == pytest.approx(min(1.0, brute_force(found.won, found.lost)))


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=300))
def test_swapping_the_arms_swaps_the_counts(pairs: list[tuple[bool, bool]]) -> None:
    there, back = mcnemar(pairs), mcnemar((other, baseline) for baseline, other in pairs)
    assert (there.won, there.lost, there.p) == (back.lost, back.won, back.p)
    assert 0.0 <= there.p <= 1.0


@pytest.mark.parametrize(
    ("won", "lost", "p"),
    [(0, 0, 1.0), (1, 0, 1.0), (5, 0, 0.0625), (34, 19, 0.0534), (6, 0, 0.03125), (10, 10, 1.0)],
)
def test_mcnemar_by_hand(won: int, lost: int, p: float) -> None:
    assert mcnemar([(False, True)] * won + [(True, False)] * lost).p == pytest.approx(p, abs=5e-5)


def test_many_items_lose_no_precision() -> None:
    assert mcnemar([(False, True)] * 5000 + [(True, False)] * 5000).p == 1.0
    tiny = mcnemar([(False, True)] * 900 + [(True, False)] * 100).p
    assert 0.0 < tiny < 1e-150
