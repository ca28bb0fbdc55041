"""A user's own rows to train on besides the stage's: one JSON object a line."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from selfalign.errors import DataError, ObjectMissing
from selfalign.storage.rows import content_hash
from selfalign.storage.store import Store
from selfalign_training.data.source import Source

FIELDS = {"instruction": True, "input": False, "answer": True}
"""Whether each must be there and hold text."""
SHOWN_ERRORS = 5


def read_extra_rows(store: Store, name: str) -> bytes:
    """The bytes of a local file or, where there is none of that name, of a key in the data's store.

    Raises:
        DataError: there is neither.
    """
    path = Path(name)
    try:
        return path.read_bytes() if path.is_file() else store.get(name)
    except ObjectMissing as error:
        raise DataError(
            f"data.extra_rows: there is no file {name}, and no such key in {store.url}"
        ) from error
    except OSError as error:
        raise DataError(f"data.extra_rows: {name} cannot be read: {error.strerror}") from error


def parse_extra_rows(data: bytes, name: str) -> list[Source]:
    """The rows {"instruction", "input" (may be left out), "answer"}, all of them complete answers.

    Ids are hashes of the content, so that they outlive a new order of the lines; a row that comes
    again is trained on again, under an id of its own.

    Raises:
        DataError: naming file, line and what is expected, for the first few faults.
    """
    sources: list[Source] = []
    faults: list[str] = []
    seen: Counter[str] = Counter()
    for number, line in enumerate(data.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            row = _parse_line(line)
        except ValueError as error:
            faults.append(f"line {number}: {error}")
            continue
        key = content_hash("extra", row["instruction"], row["input"], row["answer"])
        seen[key] += 1
        again = "" if seen[key] == 1 else f"-{seen[key]}"
        sources.append(Source(f"extra-{key}{again}", **row, complete=True))
    if faults:
        more = f"; and {len(faults) - SHOWN_ERRORS} more" if len(faults) > SHOWN_ERRORS else ""
        raise DataError(f"data.extra_rows: {name}: {'; '.join(faults[:SHOWN_ERRORS])}{more}")
    return sources


def _parse_line(line: bytes) -> dict[str, str]:
    """Raises ValueError, with what is expected."""
    try:
        record: Any = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 text (byte {error.start})") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not valid JSON: {error}") from error
    if not isinstance(record, dict):
        raise ValueError(f"expected a JSON object, found {type(record).__name__}")
    if unknown := sorted(set(record) - set(FIELDS)):
        raise ValueError(f"unknown field {', '.join(unknown)}; expected {', '.join(FIELDS)}")
    row = {}
    for field, needed in FIELDS.items():
        value = record.get(field, None if needed else "")
        if not isinstance(value, str) or (needed and not value.strip()):
            found = "nothing" if field not in record else repr(value)[:80]
            raise ValueError(f"{field}: expected {'a text' if needed else 'text'}, found {found}")
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"{field}: holds half a surrogate pair") from error
        row[field] = value
    return row
