"""Loaders of the HHH and TruthfulQA files; every mistake is named with line and column."""

import csv
import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from selfalign.errors import DataError
from selfalign.evaluation.evaluate_settings import EvaluationSettings
from selfalign.evaluation.results import ItemSource
from selfalign.storage.rows import content_hash

HHH_KEYS = ("category", "instruction", "chosen", "rejected")
QUESTION, BEST, INCORRECT, CATEGORY = "Question", "Best Answer", "Incorrect Answers", "Category"


@dataclass(frozen=True, slots=True)
class HhhItem:
    """A message and two replies, of which people chose one."""

    category: str
    instruction: str
    chosen: str
    rejected: str

    @property
    def item_id(self) -> str:
        """The same whichever of the two replies is the chosen one."""
        return content_hash(self.category, self.instruction, *sorted((self.chosen, self.rejected)))


@dataclass(frozen=True, slots=True)
class TruthfulQaItem:
    """A question with its MC1 choices: one true answer, the rest false."""

    category: str
    question: str
    best: str
    incorrect: tuple[str, ...]

    @property
    def item_id(self) -> str:
        return content_hash(self.category, self.question)

    @property
    def choices(self) -> tuple[str, ...]:
        """All candidates. Each is scored in a prompt of its own, so that no order can leak."""
        return (self.best, *self.incorrect)


@dataclass(frozen=True, slots=True)
class Benchmarks:
    """The items of this evaluation and where they come from."""

    hhh: tuple[HhhItem, ...]
    hhh_source: ItemSource
    truthfulqa: tuple[TruthfulQaItem, ...]
    truthfulqa_source: ItemSource


Item = TypeVar("Item", HhhItem, TruthfulQaItem)


def load_benchmarks(settings: EvaluationSettings) -> Benchmarks:
    """Reads both files, or the built-in items; to be called early, so that mistakes show early.

    Raises:
        DataError: a file cannot be read or has another format, with line and column.
    """
    hhh_data, hhh_origin = _read(settings.hhh_file, "hhh.jsonl", "evaluate.hhh_file")
    qa_data, qa_origin = _read(
        settings.truthfulqa_file, "truthfulqa.csv", "evaluate.truthfulqa_file"
    )
    hhh = limited(parse_hhh(hhh_data, hhh_origin), settings.hhh_limit)
    qa = limited(parse_truthfulqa(qa_data, qa_origin), settings.truthfulqa_limit)
    return Benchmarks(
        hhh=hhh,
        hhh_source=_source(settings.hhh_file, hhh_data, len(hhh)),
        truthfulqa=qa,
        truthfulqa_source=_source(settings.truthfulqa_file, qa_data, len(qa)),
    )


def limited(items: tuple[Item, ...], limit: int | None) -> tuple[Item, ...]:
    """At most `limit` items, drawn by hash so as not to favour the file's head, in file order."""
    if limit is None or limit >= len(items):
        return items
    by_hash = sorted(
        range(len(items)), key=lambda index: content_hash("limit", items[index].item_id)
    )
    return tuple(items[index] for index in sorted(by_hash[:limit]))


def parse_hhh(data: bytes, origin: str) -> tuple[HhhItem, ...]:
    """HHH comparisons out of JSON lines; further keys and blank lines are ignored.

    Raises:
        DataError: naming line and key.
    """
    items = []
    for number, line in enumerate(_text(data, origin).split("\n"), start=1):
        if not line.strip():
            continue
        place = f"{origin}: line {number}"
        item = HhhItem(
            *(
                _hhh_text(record, key, place)
                for record in [_record(line, place)]
                for key in HHH_KEYS
            )
        )
        if item.chosen == item.rejected:
            raise DataError(f"{place}: chosen and rejected are the same text; remove the line")
        items.append(item)
    if not items:
        raise DataError(f"{origin}: has no items; expected one JSON object a line")
    return tuple(items)


def parse_truthfulqa(data: bytes, origin: str) -> tuple[TruthfulQaItem, ...]:
    """Questions with their MC1 choices out of TruthfulQA's CSV; repeated choices are taken once.

    Raises:
        DataError: naming line and column.
    """
    rows = _csv_rows(_text(data, origin), origin)
    _, header = next(rows, (0, []))
    header = [name.strip() for name in header]
    for name in (QUESTION, BEST, INCORRECT):
        if name not in header:
            raise DataError(
                f"{origin}: line 1: has no column {name!r}; expected TruthfulQA's columns "
                f"{QUESTION}, {BEST}, {INCORRECT} and optionally {CATEGORY}"
            )
    items = []
    for number, cells in rows:
        place = f"{origin}: line {number}"
        if len(cells) != len(header):
            raise DataError(
                f"{place}: {len(cells)} columns; expected {len(header)} as in line 1 "
                "(put texts with commas or line breaks in double quotes)"
            )
        items.append(_question(dict(zip(header, cells, strict=True)), place))
    if not items:
        raise DataError(f"{origin}: has no questions; expected one row a question below the header")
    return tuple(items)


def _question(cells: dict[str, str], place: str) -> TruthfulQaItem:
    for name in (QUESTION, BEST, INCORRECT):
        if not cells[name].strip():
            raise DataError(f"{place}: column {name!r} is empty; fill it or remove the row")
    best = cells[BEST].strip()
    incorrect = tuple(
        dict.fromkeys(text for part in cells[INCORRECT].split(";") if (text := part.strip()))
    )
    if not incorrect:
        raise DataError(f"{place}: column {INCORRECT!r} holds no answer; expected some, split by ;")
    if best in incorrect:
        raise DataError(f"{place}: column {INCORRECT!r} contains the best answer {best!r}")
    category = cells.get(CATEGORY, "").strip() or "uncategorised"
    return TruthfulQaItem(category, cells[QUESTION].strip(), best, incorrect)


def _csv_rows(text: str, origin: str) -> Iterator[tuple[int, list[str]]]:
    """(line where the row begins, cells) of every row that is not blank."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    start = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield start, cells
            start = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{origin}: line {start}: not valid CSV: {error}") from error


def _record(line: str, place: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        column = f", column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        raise DataError(f"{place}{column}: not valid JSON; expected one object a line") from error
    if not isinstance(record, dict):
        raise DataError(f"{place}: a {type(record).__name__}; expected a JSON object")
    return record


def _hhh_text(record: dict[str, Any], key: str, place: str) -> str:
    value = record.get(key)
    if not isinstance(value, str) or not value.strip():
        found = f"{value!r:.60}" if key in record else "missing"
        raise DataError(f"{place}: {key!r} is {found}; expected a text that is not empty")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise DataError(f"{place}: {key!r} contains half a surrogate pair; write it as UTF-8")
    return value.strip()


def _text(data: bytes, origin: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{origin}: line {line}: not UTF-8 (byte {error.start} is "
            f"0x{data[error.start]:02x}); save the file as UTF-8"
        ) from error


def _read(path: Path | None, built_in: str, field: str) -> tuple[bytes, str]:
    """The file's bytes and its name for messages."""
    if path is None:
        file = resources.files("selfalign.evaluation") / built_in
        return file.read_bytes(), f"built-in {built_in}"
    try:
        return path.read_bytes(), str(path)
    except OSError as error:
        raise DataError(f"{field}: cannot read {path}: {error.strerror or error}") from error


def _source(path: Path | None, data: bytes, items: int) -> ItemSource:
    digest = hashlib.sha256(data).hexdigest()[:16]
    return ItemSource(path="" if path is None else str(path), digest=digest, items=items)
