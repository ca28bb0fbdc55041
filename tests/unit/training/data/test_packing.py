"""Best-fit decreasing: nothing lost, nothing too long, as few rows as TRL makes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfalign_training.data.packing import pack_best_fit


@pytest.mark.parametrize(
    ("lengths", "rows"),
    [
        ([], []),
        ([10], [[0]]),
        ([3, 10, 7], [[1], [2, 0]]),
        # The 3 goes where it fits exactly, not where there is most room.
        ([7, 5, 3], [[0, 2], [1]]),
        ([5, 5, 5], [[0, 1], [2]]),
    ],
)
def test_each_goes_where_it_leaves_the_least_room(
    lengths: list[int], rows: list[list[int]]
) -> None:
    assert pack_best_fit(np.array(lengths, dtype=np.int32), 10) == rows


@given(st.lists(st.integers(1, 40), max_size=200))
def test_every_sequence_is_in_one_row_that_holds_it(lengths: list[int]) -> None:
    rows = pack_best_fit(np.array(lengths, dtype=np.int32), 40)
    assert sorted(index for row in rows for index in row) == list(range(len(lengths)))
    assert all(0 < sum(lengths[index] for index in row) <= 40 for row in rows)


def test_as_many_rows_as_trl_makes() -> None:
    from datasets import Dataset
    from trl.data_utils import pack_dataset

    lengths = np.random.default_rng(1).integers(1, 200, size=500).astype(np.int32)
    table = Dataset.from_dict({"input_ids": [[0] * int(length) for length in lengths]})
    assert len(pack_best_fit(lengths, 256)) == len(pack_dataset(table, 256, "bfd"))


def test_a_sequence_that_no_row_holds_is_refused() -> None:
    with pytest.raises(ValueError, match="a sequence of 11 tokens does not fit rows of 10"):
        pack_best_fit(np.array([11], dtype=np.int32), 10)
