"""Batch arithmetic and the order of an epoch."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfalign.errors import ConfigError
from selfalign_training.batches import BatchPlan, epoch_order, padding_share, plan_batches


@pytest.mark.parametrize(
    ("global_size", "micro", "ranks", "accumulation"),
    [(768, 16, 48, 1), (768, 16, 6, 8), (768, 16, 1, 48), (8, 4, 2, 1), (1, 1, 1, 1)],
)
def test_accumulation_follows_from_the_world_size(
    global_size: int, micro: int, ranks: int, accumulation: int
) -> None:
    plan = plan_batches(global_size, micro, ranks)
    assert plan.accumulation == accumulation
    assert plan.global_batch_size == global_size


@pytest.mark.parametrize(
    ("global_size", "micro", "ranks", "message"),
    [
        (
            768,
            16,
            96,
            r"768 / \(micro_batch_size 16 x 96 ranks\) = 0.5 .* micro_batch_size 2 or 4 or 8",
        ),
        (
            768,
            16,
            5,
            r"= 9.6 .* no micro_batch_size up to 16 fits 5 ranks, or global_batch_size 800",
        ),
        (8, 4, 3, r"8 / \(micro_batch_size 4 x 3 ranks\) = 0.667 .* or global_batch_size 12"),
        (8, 4, 0, r"world size is 0; expected at least 1 rank"),
    ],
)
def test_what_does_not_divide_is_refused_with_the_arithmetic(
    global_size: int, micro: int, ranks: int, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        plan_batches(global_size, micro, ranks)
    assert re.search(message, str(caught.value))


PLANS = st.builds(
    BatchPlan,
    micro_batch_size=st.integers(1, 4),
    ranks=st.integers(1, 4),
    accumulation=st.integers(1, 3),
)


@given(PLANS, st.integers(1, 5), st.integers(0, 9), st.randoms(use_true_random=False))
def test_an_epoch_sees_every_sequence_exactly_once(
    plan: BatchPlan, steps: int, seed: int, rng: object
) -> None:
    count = steps * plan.global_batch_size
    lengths = [rng.randint(1, 99) for _ in range(count)]  # type: ignore[attr-defined]
    first = epoch_order(lengths, plan, seed, 0)
    assert sorted(first) == list(range(count))
    assert first == epoch_order(lengths, plan, seed, 0)


def test_epochs_and_seeds_differ() -> None:
    plan = BatchPlan(2, 2, 2)
    lengths = list(range(80))
    orders = {tuple(epoch_order(lengths, plan, seed, epoch)) for seed in (1, 2) for epoch in (0, 1)}
    assert len(orders) == 4


def test_slices_hold_sequences_of_like_length() -> None:
    plan = BatchPlan(micro_batch_size=4, ranks=2, accumulation=2)
    lengths = [(position * 37) % 160 + 1 for position in range(160)]
    grouped = padding_share(lengths, epoch_order(lengths, plan, 3, 0), 4)
    as_they_come = padding_share(lengths, list(range(160)), 4)
    assert grouped < 0.05 < as_they_come


def test_unfilled_steps_are_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="do not fill"):
        epoch_order([1, 2, 3], BatchPlan(2, 1, 1), 0, 0)
