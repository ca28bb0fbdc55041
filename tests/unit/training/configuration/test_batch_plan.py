"""Batch arithmetic."""

import re

import pytest

from selfalign.errors import ConfigError
from selfalign_training.configuration.batch_plan import plan_batches


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
