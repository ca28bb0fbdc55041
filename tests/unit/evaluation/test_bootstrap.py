"""Bootstrap intervals: bounds, coverage, clusters, determinism."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfalign.evaluation.bootstrap import Bootstrap

VALUES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40)


def test_nothing_has_no_mean() -> None:
    assert Bootstrap().mean([]) is None
    assert Bootstrap().share(0, 0) is None


@given(VALUES, st.integers(0, 2**31 - 1))
def test_the_interval_contains_the_mean_and_lies_within_the_values(
    values: list[float], seed: int
) -> None:
    estimate = Bootstrap(samples=100, seed=seed).mean(values)
    assert estimate is not None
    slack = 1e-9 * max(1.0, *map(abs, values))
    assert estimate.value == pytest.approx(np.mean(values), abs=slack)
    assert min(values) - slack <= estimate.low <= estimate.value
    assert estimate.value <= estimate.high <= max(values) + slack
    assert estimate.n == len(values)


@given(VALUES)
def test_each_value_as_its_own_cluster_changes_nothing(values: list[float]) -> None:
    bootstrap = Bootstrap(samples=100)
    assert bootstrap.mean(values) == bootstrap.mean(values, range(len(values)))


def test_equal_seeds_give_equal_intervals() -> None:
    values = list(np.random.default_rng(1).random(50))
    assert Bootstrap(seed=3).mean(values) == Bootstrap(seed=3).mean(values)
    assert Bootstrap(seed=3).mean(values) != Bootstrap(seed=4).mean(values)


def test_blocks_do_not_change_how_many_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    values = [0.0, 1.0] * 50
    whole = Bootstrap(samples=1000).mean(values)
    monkeypatch.setattr("selfalign.evaluation.bootstrap.BLOCK_DRAWS", 700)
    assert Bootstrap(samples=1000).mean(values) == whole


def test_a_normal_mean_has_the_textbook_interval() -> None:
    values = np.random.default_rng(5).normal(10.0, 2.0, 400)
    estimate = Bootstrap(samples=4000).mean(list(values))
    assert estimate is not None
    half = 1.96 * values.std() / 20
    assert estimate.low == pytest.approx(values.mean() - half, abs=0.03)
    assert estimate.high == pytest.approx(values.mean() + half, abs=0.03)


def test_a_share_has_the_interval_of_its_zeros_and_ones() -> None:
    share = Bootstrap(samples=20_000).share(60, 200)
    mean = Bootstrap(samples=20_000).mean([1.0] * 60 + [0.0] * 140)
    assert share is not None
    assert mean is not None
    assert share.value == mean.value == 0.3
    assert share.low == pytest.approx(mean.low, abs=0.011)
    assert share.high == pytest.approx(mean.high, abs=0.011)


def test_copies_within_clusters_do_not_narrow_the_interval() -> None:
    values = list(np.random.default_rng(2).integers(0, 2, 40).astype(float))
    bootstrap = Bootstrap(samples=4000)
    once = bootstrap.mean(values)
    copied = [value for value in values for _ in range(10)]
    clustered = bootstrap.mean(copied, [index for index in range(40) for _ in range(10)])
    naive = bootstrap.mean(copied)
    assert once is not None
    assert clustered is not None
    assert naive is not None
    assert (clustered.low, clustered.high) == pytest.approx((once.low, once.high))
    assert naive.high - naive.low < 0.5 * (clustered.high - clustered.low)
    assert clustered.n == 400
