"""The launcher's exit code is that of the rank that knows why."""

import pytest

from selfalign_training.launch import telling_code


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ([64], 64),
        ([-9], 137),
        ([70], 70),
        ([70, -9], 137),
        ([-9, 70], 137),
        ([-15, 64], 64),
        ([70, 65, -6], 65),
        ([143, 70], 143),
    ],
)
def test_exit_code(codes: list[int], expected: int) -> None:
    assert telling_code(codes) == expected
