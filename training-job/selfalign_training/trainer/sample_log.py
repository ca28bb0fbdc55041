"""Which samples each optimizer step saw on a rank: one JSON line a step, kept across restarts."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypedDict, cast

import torch

from selfalign_training.data.sequence_table import ROWS
from selfalign_training.report.json_lines import read_json_lines


def sample_file(rank: int) -> str:
    """The name of a rank's log, in the job's folder and in its output."""
    return f"samples-rank-{rank}.jsonl"


class StepSamples(TypedDict):
    """A line of the log."""

    step: int
    prompt_ids: list[str]
    """Of the sequences that the rank computed in this step."""


class SampleLog:
    """The samples of every step that this rank took part in."""

    def __init__(
        self,
        path: Path,
        prompt_ids: Callable[[int], Sequence[str]],
        earlier: Sequence[Path] = (),
    ) -> None:
        """Begins anew, with the lines of `earlier` logs: those of the checkpoint it goes on from.

        Args:
            path: The log's file.
            prompt_ids: Of a row of the table: none for fillers, several where rows are packed.
            earlier: Logs to go on from; several where fewer ranks than before go on.
        """
        self._path = path
        self._prompt_ids = prompt_ids
        self._seen: list[str] = []
        records = (record for log in earlier for record in read_json_lines(log))
        kept = sorted(cast(Iterable[StepSamples], records), key=lambda record: record["step"])
        path.write_text("".join(json.dumps(record) + "\n" for record in kept))

    def saw(self, rows: Sequence[int]) -> None:
        """Rows of a micro batch that is computed now."""
        for row in rows:
            self._seen += self._prompt_ids(row)

    def close_step(self, step: int) -> None:
        """Writes down what was seen since the step before."""
        with self._path.open("a") as file:
            file.write(json.dumps(StepSamples(step=step, prompt_ids=self._seen)) + "\n")
        self._seen = []


def earlier_logs(checkpoint: Path, rank: int, *, same_ranks: bool) -> list[Path]:
    """What a rank's log goes on from: its own; with another number of ranks, the first has all."""
    if same_ranks:
        return [checkpoint / sample_file(rank)]
    return sorted(checkpoint.glob("samples-rank-*.jsonl")) if rank == 0 else []


Example = dict[str, object]
"""A row of the table, column by column; see data.sequence_table.Columns."""


class RowCollator:
    """A collator whose batches also say which rows of the table they are made of."""

    def __init__(self, collate: Callable[[list[Example]], Mapping[str, torch.Tensor]]) -> None:
        self._collate = collate

    def __call__(self, examples: list[Example]) -> dict[str, torch.Tensor]:
        """The collator's batch, and "rows": a tensor of one row number for each example."""
        rows = torch.tensor([example.pop(ROWS) for example in examples])
        return {**self._collate(examples), ROWS: rows}
