"""The accepted rows of a finished stage, read part by part."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from selfalign.errors import DataError
from selfalign.storage.manifest import PartInfo, read_manifest
from selfalign.storage.rows import RowStatus
from selfalign.storage.store import Store
from selfalign.storage.tables import PART_NAME, parse_part
from selfalign_training.data.source import Source

COLUMNS = ("row_id", "status", "prompt_id", "instruction", "input", "answer", "complete")
BATCH_ROWS = 256


@dataclass(frozen=True, slots=True)
class PartRows:
    """One unit of a stage: its parts, the newest attempt first."""

    number: int
    parts: tuple[PartInfo, ...]


def list_units(store: Store, stage_prefix: str) -> list[PartRows]:
    """The stage's units as its manifest names them.

    Raises:
        DataError: the stage is not finished, or none of its rows was accepted.
    """
    place = f"{store.url}/{stage_prefix}"
    manifest = read_manifest(store, stage_prefix)
    if manifest is None or manifest.accepted == 0:
        found = "its manifest counts none" if manifest else "it has no manifest.json"
        raise DataError(
            f"{place}: no accepted rows to train on (data.stage_prefix): {found}; has the stage "
            "before this one run to its end, and did its filters accept anything?"
        )
    attempts: dict[int, list[tuple[int, PartInfo]]] = {}
    for part in manifest.parts:
        match = PART_NAME.fullmatch(part.name)
        if match is None:
            raise DataError(f"{place}: its manifest names {part.name}, which is no part of a table")
        attempt = int(match["attempt"] or 1)
        attempts.setdefault(int(match["unit"]), []).append((attempt, part))
    return [
        PartRows(number, tuple(part for _, part in sorted(parts, key=lambda item: -item[0])))
        for number, parts in sorted(attempts.items())
    ]


def read_unit(store: Store, stage_prefix: str, unit: PartRows) -> Iterator[Source]:
    """The unit's accepted rows; of a row that was tried again the last attempt counts.

    Raises:
        DataError: a part is not what the manifest says, or cannot be read.
    """
    replaced: set[str] = set()
    for position, part in enumerate(unit.parts):
        older_follow = position + 1 < len(unit.parts)
        for batch in _read_part(store, f"{stage_prefix}/{part.name}", part):
            for record in batch.to_pylist():
                row_id = record.pop("row_id")
                accepted = record.pop("status") == RowStatus.ACCEPTED
                if row_id in replaced:
                    continue
                if older_follow:
                    replaced.add(row_id)
                if accepted:
                    yield Source(**record)


def _read_part(store: Store, key: str, part: PartInfo) -> list[pa.RecordBatch]:
    """The part's rows; in batches, because texts take far more room as Python objects."""
    data = store.get(key)
    digest = hashlib.sha256(data).hexdigest()
    if digest != part.sha256:
        raise DataError(
            f"{store.url}/{key}: digest mismatch: the manifest says {part.sha256[:16]}..., the "
            f"part has {digest[:16]}...; it was changed after its stage had ended"
        )
    table = parse_part(f"{store.url}/{key}", data, COLUMNS)
    batches: list[pa.RecordBatch] = table.to_batches(max_chunksize=BATCH_ROWS)
    return batches
