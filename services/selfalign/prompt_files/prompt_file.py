"""A file or folder of prompts: which kind it is, its prompts in order, its digest."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from selfalign.errors import DataError
from selfalign.prompt_files.fields import PromptFields, columns, read_prompt
from selfalign.prompt_files.records import Record, arrow, json_lines, parquet

JSON_LINES = (".jsonl", ".ndjson", ".json")
PARQUET = (".parquet",)
STATE = "state.json"
"""What `save_to_disk` writes beside a data set's files: their names, in order."""
SPLITS = "dataset_dict.json"
"""The same for a folder of several data sets."""


@dataclass(frozen=True, slots=True)
class FilePrompt:
    """One prompt of a file."""

    number: int
    """Its place among the rows of the file, from 0."""
    instruction: str
    input: str


def read_prompts(path: Path, name: str, fields: PromptFields) -> Iterator[FilePrompt]:
    """Every row of a file, in order, without holding more than a few of them.

    Args:
        path: JSON lines, a Parquet file, or a folder that `save_to_disk` of Hugging Face's data
            sets wrote.
        name: What messages call it.

    Raises:
        DataError: naming the line or row and what is wrong with it; the file is of another kind,
            holds no row, or no row has the input's field that `fields` names.
    """
    number, seen_input = 0, False
    for place, record in _records(path, name, fields):
        instruction, input_ = read_prompt(record, fields, place)
        seen_input = seen_input or fields.input in record
        yield FilePrompt(number, instruction, input_)
        number += 1
    if not number:
        raise DataError(f"{name}: holds no rows; expected one prompt a row")
    if fields.input is not None and not seen_input:
        raise DataError(f"{name}: no row has the field {fields.input!r} (prompts.fields.input)")


def digest_of(path: Path, name: str) -> str:
    """16 hex digits over the bytes that prompts are read from: of a file, its SHA-256.

    Raises:
        DataError: it cannot be read.
    """
    try:
        if path.is_file():
            return _file_digest(path)[:16]
        lines = [f"{file.name} {_file_digest(file)}\n" for file in data_files(path, name)]
    except OSError as error:
        raise DataError(f"{name}: cannot be read: {error.strerror or error}") from error
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:16]


def data_files(folder: Path, name: str) -> list[Path]:
    """The Arrow files of a saved data set, in order.

    Raises:
        DataError: the folder holds none, or several data sets.
    """
    if (folder / SPLITS).is_file():
        splits = sorted(part.parent.name for part in folder.glob(f"*/{STATE}"))
        raise DataError(
            f"{name}: holds several data sets ({', '.join(splits)}); name one of its folders"
        )
    if not (folder / STATE).is_file():
        raise DataError(
            f"{name}: a folder without {STATE}; expected one that save_to_disk of Hugging Face's "
            f"data sets wrote, or a file that ends with {', '.join((*JSON_LINES, *PARQUET))}"
        )
    try:
        state = json.loads((folder / STATE).read_text("utf-8"))
        files = [str(entry["filename"]) for entry in state["_data_files"]]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise DataError(
            f"{name}/{STATE}: does not name the files of a saved data set: {error!r}"
        ) from error
    if any(Path(file).name != file for file in files):
        raise DataError(f"{name}/{STATE}: names files outside of its folder: {', '.join(files)}")
    return [folder / file for file in files]


def _records(path: Path, name: str, fields: PromptFields) -> Iterator[Record]:
    choose = partial(_columns, fields, name)
    suffix = path.suffix.lower()
    try:
        if path.is_dir():
            for file in data_files(path, name):
                yield from arrow(file, f"{name}/{file.name}", choose)
        elif suffix in JSON_LINES:
            yield from json_lines(path, name)
        elif suffix in PARQUET:
            yield from parquet(path, name, choose)
        else:
            raise DataError(
                f"{name}: unknown kind of file; expected a name that ends with "
                f"{', '.join((*JSON_LINES, *PARQUET))}, or the folder of a saved data set"
            )
    except OSError as error:
        raise DataError(f"{name}: cannot be read: {error.strerror or error}") from error


def _columns(fields: PromptFields, name: str, names: Sequence[str]) -> list[str]:
    """The columns to read; refuses a table without a column of instructions, as a row is."""
    read_prompt(dict.fromkeys(names), fields, name)
    return columns(fields, names)


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
