"""Token sequences in an Arrow file: written row by row, read through a memory map."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from selfalign_training.data.encode import Example

SCHEMA = pa.schema(
    [("prompt_id", pa.string()), ("input_ids", pa.list_(pa.int32())), ("trained_from", pa.int32())]
)
BATCH_ROWS = 256

TokenIds = Sequence[int] | npt.NDArray[np.int32]


class TokenWriter:
    """Writes sequences to a file that appears whole, under its name, or not at all."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._partial = path.with_name(f".{path.name}.{os.getpid()}")
        self._file = pa.OSFile(str(self._partial), "wb")
        self._writer = pa.ipc.new_file(self._file, SCHEMA)
        self._rows: list[tuple[str, TokenIds, int]] = []
        self._digest = hashlib.blake2b(digest_size=8)

    def add(self, prompt_id: str, input_ids: TokenIds, trained_from: int) -> None:
        """Appends a sequence."""
        self._rows.append((prompt_id, input_ids, trained_from))
        if len(self._rows) == BATCH_ROWS:
            self._flush()

    @property
    def digest(self) -> str:
        """16 hex digits over all that was added; after the end of the block."""
        return self._digest.hexdigest()

    def _flush(self) -> None:
        if not self._rows:
            return
        ids, sequences, borders = zip(*self._rows, strict=True)
        self._rows = []
        lengths = np.array([len(sequence) for sequence in sequences], dtype=np.int32)
        flat = np.concatenate([np.asarray(sequence, dtype=np.int32) for sequence in sequences])
        offsets = np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
        trained_from = np.array(borders, dtype=np.int32)
        self._update_digest(ids, flat, lengths, trained_from)
        columns = [
            pa.array(ids, type=pa.string()),
            pa.ListArray.from_arrays(pa.array(offsets), pa.array(flat)),
            pa.array(trained_from),
        ]
        self._writer.write_batch(pa.record_batch(columns, schema=SCHEMA))

    def _update_digest(
        self,
        ids: Sequence[str],
        flat: npt.NDArray[np.int32],
        lengths: npt.NDArray[np.int32],
        trained_from: npt.NDArray[np.int32],
    ) -> None:
        self._digest.update("\n".join(ids).encode())
        for numbers in (lengths, trained_from, flat):
            self._digest.update(numbers.astype("<i4").tobytes())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self._flush()
        self._writer.close()
        self._file.close()
        if kind is None:
            with self._partial.open("rb") as file:
                os.fsync(file.fileno())
            self._partial.replace(self._path)
        else:
            self._partial.unlink()


class TokenFile:
    """A file of TokenWriter: pages of it are in memory only while they are looked at.

    Attributes:
        path: of the file.
        lengths: tokens of each sequence.
        trained_from: the first token of each that the loss falls on.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        reader = pa.ipc.open_file(pa.memory_map(str(path)))
        self._batches = [reader.get_batch(at) for at in range(reader.num_record_batches)]
        lists = [batch.column("input_ids") for batch in self._batches]
        self._offsets = [column.offsets.to_numpy() for column in lists]
        self._values = [column.values.to_numpy() for column in lists]
        empty = np.zeros(0, dtype=np.int32)
        self.lengths: npt.NDArray[np.int32] = np.concatenate(
            [empty, *(np.diff(offsets) for offsets in self._offsets)]
        )
        self.trained_from: npt.NDArray[np.int32] = np.concatenate(
            [empty, *(batch.column("trained_from").to_numpy() for batch in self._batches)]
        )

    def __len__(self) -> int:
        return len(self.lengths)

    def __reduce__(self) -> tuple[type["TokenFile"], tuple[Path]]:
        """Other processes map the file anew."""
        return TokenFile, (self.path,)

    def tokens(self, index: int) -> npt.NDArray[np.int32]:
        """A view of the sequence's tokens."""
        batch, row = divmod(index, BATCH_ROWS)
        start, end = self._offsets[batch][row : row + 2]
        view: npt.NDArray[np.int32] = self._values[batch][start:end]
        return view

    def prompt_id(self, index: int) -> str:
        """The row that the sequence comes from."""
        batch, row = divmod(index, BATCH_ROWS)
        return str(self._batches[batch].column("prompt_id")[row])

    def prompt_ids(self) -> pa.ChunkedArray:
        """All ids, in the order of the file."""
        columns = [batch.column("prompt_id") for batch in self._batches]
        return pa.chunked_array(columns, type=pa.string())

    def __getitem__(self, index: int) -> Example:
        if not 0 <= index < len(self):
            raise IndexError(index)
        ids = self.tokens(index).tolist()
        return Example(self.prompt_id(index), ids, int(self.trained_from[index]))

    def __iter__(self) -> Iterator[Example]:
        return (self[index] for index in range(len(self)))
