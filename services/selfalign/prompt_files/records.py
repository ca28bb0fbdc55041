"""The records of a file, one by one: memory stays flat, whatever the file's size."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from selfalign.errors import DataError

Record = tuple[str, Mapping[str, Any]]
"""Where the record stands, for messages, and its fields."""
ChooseColumns = Callable[[Sequence[str]], list[str]]
"""Those of a table's columns that are wanted. Raises DataError where it has none of them."""

LONGEST_LINE = 64 * 2**20
"""Bytes of a line: a longer one is no record, and is not read into memory."""
BATCH_ROWS = 64
"""Rows in memory at once: few, since a single one may have megabytes."""
ARROW_ERRORS = (pa.ArrowException, OSError)


def json_lines(path: Path, name: str) -> Iterator[Record]:
    """The objects of a file of JSON lines; blank lines are none.

    Raises:
        DataError: naming the line and what is wrong with it.
    """
    with path.open("rb") as file:
        number = 0
        while line := file.readline(LONGEST_LINE + 1):
            number += 1
            place = f"{name}, line {number}"
            if len(line) > LONGEST_LINE:
                raise DataError(f"{place}: longer than {LONGEST_LINE // 2**20} MiB")
            text = _decoded(line, place)
            if text.strip():
                yield place, _object(text, place)


def parquet(path: Path, name: str, choose: ChooseColumns) -> Iterator[Record]:
    """The rows of a Parquet file, of which only the wanted columns are read.

    Raises:
        DataError: it is no Parquet file, or lacks the columns.
    """
    try:
        # Without threads: see storage.tables.parse_part.
        with pq.ParquetFile(str(path), pre_buffer=False) as file:
            wanted = choose(file.schema_arrow.names)
            batches = file.iter_batches(BATCH_ROWS, columns=wanted, use_threads=False)
            yield from _rows(batches, name)
    except ARROW_ERRORS as error:
        raise DataError(f"{name}: not a readable Parquet file: {error}") from error


def arrow(path: Path, name: str, choose: ChooseColumns) -> Iterator[Record]:
    """The rows of a file that a data set's `save_to_disk` wrote: a stream of record batches.

    Raises:
        DataError: it is no such file, or lacks the columns.
    """
    try:
        with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as stream:
            wanted = choose(stream.schema.names)
            yield from _rows((batch.select(wanted) for batch in stream), name)
    except ARROW_ERRORS as error:
        raise DataError(f"{name}: not a readable Arrow file: {error}") from error


def _rows(batches: Iterator[pa.RecordBatch], name: str) -> Iterator[Record]:
    number = 0
    for batch in batches:
        for start in range(0, batch.num_rows, BATCH_ROWS):
            for record in batch.slice(start, BATCH_ROWS).to_pylist():
                number += 1
                yield f"{name}, row {number}", record


def _decoded(line: bytes, place: str) -> str:
    try:
        return line.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{place}: not UTF-8 at byte {error.start} of the line; save the file as UTF-8"
        ) from error


def _object(text: str, place: str) -> Mapping[str, Any]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(
            f"{place}: not JSON: {error.msg} at column {error.colno}; expected one object a line"
        ) from error
    except RecursionError as error:
        raise DataError(f"{place}: nested too deeply") from error
    if not isinstance(value, dict):
        raise DataError(f"{place}: expected an object, got {type(value).__name__}")
    return value
