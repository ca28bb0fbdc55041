"""The trainer's rows: every sequence once, packed or not, and whole optimizer steps."""

from pathlib import Path

import pytest

from selfalign_training.configuration.batch_plan import BatchPlan
from selfalign_training.data.encode import IGNORED
from selfalign_training.data.sequence_table import SequenceTable
from selfalign_training.data.token_file import TokenFile, TokenWriter

LENGTHS = [9, 14, 7, 20, 11, 3]
PLAN = BatchPlan(micro_batch_size=2, ranks=2, accumulation=1)


@pytest.fixture
def tokens(tmp_path: Path) -> TokenFile:
    path = tmp_path / "tokens.arrow"
    with TokenWriter(path) as writer:
        for number, length in enumerate(LENGTHS):
            writer.add(f"p{number}", [number * 100 + at for at in range(length)], 2)
    return TokenFile(path)


@pytest.mark.parametrize("pack_to", [None, 32])
def test_every_trained_token_is_there_once(tokens: TokenFile, pack_to: int | None) -> None:
    table = SequenceTable(tokens, PLAN, pack_to=pack_to)
    rows = [table.for_trainer()[row] for row in range(len(table))]
    assert len(rows) % PLAN.global_batch_size == 0
    trained = sorted(label for row in rows for label in row["labels"] if label != IGNORED)
    assert trained == sorted(
        label for example in tokens for label in example.labels if label != IGNORED
    )
    names = sorted(name for row in range(len(table)) for name in table.prompt_ids(row))
    assert names == [f"p{number}" for number in range(len(LENGTHS))]
    assert [row["rows"] for row in rows] == list(range(len(table)))
    assert table.lengths.tolist() == [len(row["input_ids"]) for row in rows]
    for row in rows:
        assert len(row["labels"]) == len(row["input_ids"]) <= 32
        if pack_to:
            assert sum(row["seq_lengths"]) == len(row["input_ids"])


def test_fillers_have_no_sequence_and_nothing_to_learn(tokens: TokenFile) -> None:
    table = SequenceTable(tokens, PLAN)
    assert len(table) == 8
    for row in (6, 7):
        assert table.sequences(row).tolist() == []
        assert table.for_trainer()[row]["labels"] == [IGNORED, IGNORED]


def test_the_rows_do_not_depend_on_the_ranks(tokens: TokenFile) -> None:
    other = BatchPlan(micro_batch_size=1, ranks=1, accumulation=4)
    for pack_to in (None, 32):
        one, two = (SequenceTable(tokens, plan, pack_to=pack_to) for plan in (PLAN, other))
        assert one.read({"rows": list(range(len(one)))}) == two.read(
            {"rows": list(range(len(two)))}
        )


def test_a_file_that_failed_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "tokens.arrow"
    with pytest.raises(KeyboardInterrupt), TokenWriter(path):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
    with TokenWriter(path):
        pass
    assert len(TokenFile(path)) == 0
