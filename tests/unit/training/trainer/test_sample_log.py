"""The log of samples: fillers and packed rows, and going on from a checkpoint."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from selfalign_training.trainer.sample_log import RowCollator, SampleLog, earlier_logs, sample_file

PROMPT_IDS = [["a"], ["b", "c"], []]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_step_holds_the_samples_of_its_micro_batches(tmp_path: Path) -> None:
    log = SampleLog(tmp_path / "log", PROMPT_IDS.__getitem__)
    log.saw([1, 2])
    log.saw([0])
    log.close_step(1)
    log.saw([2])
    log.close_step(2)
    assert lines(tmp_path / "log") == [
        {"step": 1, "prompt_ids": ["b", "c", "a"]},
        {"step": 2, "prompt_ids": []},
    ]


@pytest.mark.parametrize(
    ("rank", "same_ranks", "expected"),
    [(0, True, ["x0"]), (1, True, ["x1"]), (0, False, ["x0", "x1"]), (1, False, [])],
)
def test_it_goes_on_from_the_checkpoint_whatever_the_ranks(
    tmp_path: Path, rank: int, same_ranks: bool, expected: list[str]
) -> None:
    for writer in (0, 1):
        record = json.dumps({"step": 1, "prompt_ids": [f"x{writer}"]})
        (tmp_path / sample_file(writer)).write_text(record + "\n")
    log = tmp_path / "log"
    log.write_text("steps that will be done again")
    SampleLog(log, PROMPT_IDS.__getitem__, earlier_logs(tmp_path, rank, same_ranks=same_ranks))
    assert [record["prompt_ids"] for record in lines(log)] == [[name] for name in expected]


def test_batches_say_which_rows_they_are_made_of() -> None:
    collator = RowCollator(
        lambda examples: {"count": torch.tensor([len(example) for example in examples])}
    )
    batch = collator([{"rows": 4, "input_ids": []}, {"rows": 7, "input_ids": []}])
    assert batch["count"].tolist() == [1, 1]
    assert batch["rows"].tolist() == [4, 7]
