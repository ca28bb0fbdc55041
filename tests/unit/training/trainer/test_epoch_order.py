"""The order of an epoch."""

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfalign_training.trainer.epoch_order import (
    epoch_order,
    groups_in_step,
    padding_share,
    window_steps,
)


@given(st.integers(1, 40), st.integers(1, 60), st.integers(0, 9), st.randoms())
def test_an_epoch_sees_every_sequence_exactly_once(
    size: int, steps: int, seed: int, rng: random.Random
) -> None:
    lengths = [rng.randint(1, 99) for _ in range(steps * size)]
    first = epoch_order(lengths, size, seed, 0)
    assert sorted(first) == list(range(len(lengths)))
    assert first == epoch_order(lengths, size, seed, 0)
    for at in range(0, len(first), size):
        step = [lengths[index] for index in first[at : at + size]]
        assert step == sorted(step, reverse=True)


def test_epochs_and_seeds_differ() -> None:
    lengths = list(range(80))
    orders = {tuple(epoch_order(lengths, 8, seed, epoch)) for seed in (1, 2) for epoch in (0, 1)}
    assert len(orders) == 4


@pytest.mark.parametrize(
    ("size", "steps"), [(2, 2), (4, 3), (8, 5), (8, 12), (8, 49), (8, 60), (64, 4), (32, 60)]
)
def test_other_sequences_meet_in_the_steps_of_another_epoch(size: int, steps: int) -> None:
    """Also where all lengths differ, so that sorting alone would decide who meets whom."""
    lengths = list(range(1, size * steps + 1))
    epochs = [
        {frozenset(order[at : at + size]) for at in range(0, len(order), size)}
        for order in (epoch_order(lengths, size, 3, epoch) for epoch in range(6))
    ]
    same = [len(one & other) / steps for one, other in pairwise(epochs)]
    assert sum(same) / len(same) <= 0.5
    assert len({frozenset(steps) for steps in epochs}) > 1


@pytest.mark.parametrize(("steps", "window"), [(1, 1), (7, 1), (12, 3), (200, 50), (3000, 50)])
def test_an_epoch_has_several_windows(steps: int, window: int) -> None:
    assert window_steps(steps) == window


@pytest.mark.parametrize(
    ("size", "groups"), [(1, 1), (8, 1), (31, 1), (32, 2), (36, 2), (128, 8), (768, 8), (770, 7)]
)
def test_a_step_mixes_groups_of_like_length(size: int, groups: int) -> None:
    assert groups_in_step(size) == groups


@pytest.mark.parametrize(("size", "micro"), [(8, 4), (16, 4), (128, 16), (768, 16)])
def test_micro_batches_hold_sequences_of_like_length(size: int, micro: int) -> None:
    rng = random.Random(0)
    lengths = [rng.randint(1, 160) for _ in range(size * 60)]
    grouped = padding_share(lengths, epoch_order(lengths, size, 3, 0), micro)
    as_they_come = padding_share(lengths, list(range(len(lengths))), micro)
    assert grouped < 0.05 < as_they_come


def test_steps_of_long_and_short_sequences_alternate() -> None:
    lengths = [position % 160 + 1 for position in range(128 * 50)]
    order = epoch_order(lengths, 128, 3, 0)
    means = [sum(lengths[i] for i in order[at : at + 128]) / 128 for at in range(0, 6400, 128)]
    assert max(means) - min(means) < 90


def test_unfilled_steps_are_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="do not fill"):
        epoch_order([1, 2, 3], 2, 0, 0)
