"""The rows that the trainer sees: one sequence each, or several that are packed together."""

from typing import NotRequired, TypedDict

import numpy as np
import numpy.typing as npt
from datasets import Dataset as Table

from selfalign_training.configuration.batch_plan import BatchPlan
from selfalign_training.data.encode import IGNORED
from selfalign_training.data.packing import pack_best_fit
from selfalign_training.data.token_file import TokenFile

FILLER_LENGTH = 2
ROWS = "rows"


class Columns(TypedDict):
    """A batch of rows as TRL wants them: a list of tokens, labels and lengths for each row."""

    input_ids: list[list[int]]
    labels: list[list[int]]
    """IGNORED where the loss does not fall."""
    rows: list[int]
    """The rows' own numbers."""
    seq_lengths: NotRequired[list[list[int]]]
    """Tokens of each sequence of a packed row."""


class SequenceTable:
    """Rows by index, read from the token cache when they are asked for.

    The rows are filled up to whole optimizer steps with fillers, two tokens that the loss ignores:
    so every sequence is seen exactly once an epoch, whatever the number of ranks, where samplers
    otherwise repeat some.

    Attributes:
        lengths: tokens of each row, fillers included.
    """

    def __init__(self, tokens: TokenFile, plan: BatchPlan, *, pack_to: int | None = None) -> None:
        """`pack_to`: tokens of a packed row; None leaves every sequence in a row of its own."""
        self._tokens = tokens
        self._packed = pack_to is not None
        if pack_to is None:
            self._members = np.arange(len(tokens))
            ends = np.arange(1, len(tokens) + 1)
        else:
            rows = pack_best_fit(tokens.lengths, pack_to)
            self._members = np.fromiter((index for row in rows for index in row), dtype=np.int64)
            ends = np.cumsum([len(row) for row in rows])
        fillers = plan.steps(len(ends)) * plan.global_batch_size - len(ends)
        self._bounds = np.concatenate(([0], ends, np.full(fillers, len(self._members))))
        self.lengths = self._count_tokens(fillers)

    def __len__(self) -> int:
        return len(self.lengths)

    def sequences(self, row: int) -> npt.NDArray[np.int64]:
        """The sequences that share a row, by their index in the data; none in a filler."""
        members: npt.NDArray[np.int64] = self._members[self._bounds[row] : self._bounds[row + 1]]
        return members

    def prompt_ids(self, row: int) -> list[str]:
        """The ids of the row's sequences."""
        return [self._tokens.prompt_id(index) for index in self.sequences(row).tolist()]

    def for_trainer(self) -> Table:
        """The rows as TRL wants them: input_ids, labels and, where they are packed, seq_lengths;
        "rows" repeats their numbers."""
        table = Table.from_dict({ROWS: np.arange(len(self))})
        return table.with_transform(self.read)

    def read(self, batch: dict[str, list[int]]) -> Columns:
        """The rows that `batch["rows"]` names, column by column."""
        columns = Columns(input_ids=[], labels=[], rows=batch[ROWS])
        packed: list[list[int]] = []
        if self._packed:
            columns["seq_lengths"] = packed
        for row in batch[ROWS]:
            examples = [self._tokens[index] for index in self.sequences(row).tolist()]
            ids = [token for example in examples for token in example.input_ids]
            labels = [label for example in examples for label in example.labels]
            columns["input_ids"].append(ids or [0] * FILLER_LENGTH)
            columns["labels"].append(labels or [IGNORED] * FILLER_LENGTH)
            if self._packed:
                lengths = [len(example.input_ids) for example in examples]
                packed.append(lengths or [FILLER_LENGTH])
        return columns

    def _count_tokens(self, fillers: int) -> npt.NDArray[np.int64]:
        real = len(self._bounds) - 1 - fillers
        sums = np.concatenate(([0], np.cumsum(self._tokens.lengths[self._members])))
        lengths = sums[self._bounds[1 : real + 1]] - sums[self._bounds[:real]]
        return np.concatenate((lengths, np.full(fillers, FILLER_LENGTH)))
