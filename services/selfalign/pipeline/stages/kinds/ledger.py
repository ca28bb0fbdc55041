"""Closing a table stage: counts that must add up, then the manifest."""

from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any

import pyarrow as pa

from selfalign.errors import ObjectExists, VerificationError
from selfalign.pipeline.run.run import Run
from selfalign.storage.manifest import Manifest, PartInfo, write_manifest
from selfalign.storage.rows import RowStatus
from selfalign.storage.tables import (
    latest_attempts,
    list_parts,
    parse_part,
    part_info,
    part_name,
    schema_of,
)

LEDGER_COLUMNS = ("row_id", "prompt_id", "status", "reason", "attempt")


def read_ledger(run: Run, stage: str) -> tuple[pa.Table, tuple[PartInfo, ...]]:
    """Every row that the stage's parts hold, replaced attempts included, and the parts."""
    tables: list[pa.Table] = []
    parts: list[PartInfo] = []
    for name in list_parts(run.store, run.prefix(stage)):
        key = f"{run.prefix(stage)}/{name}"
        data = run.store.get(key)
        table = parse_part(key, data, LEDGER_COLUMNS)
        tables.append(table)
        parts.append(part_info(key, data, table.num_rows))
    empty = schema_of(LEDGER_COLUMNS).empty_table()
    return pa.concat_tables([empty, *(table.cast(empty.schema) for table in tables)]), tuple(parts)


def check_rows(stage: str, ledger: pa.Table, expected: Collection[str] | None) -> pa.Table:
    """The latest attempt of every row, after proving that none is doubled, lost or foreign.

    Args:
        expected: The row ids that the stage's input has; None where the stage makes its own.

    Raises:
        VerificationError: naming up to five of the rows at fault.
    """
    seen = Counter(zip(ledger["row_id"].to_pylist(), ledger["attempt"].to_pylist(), strict=True))
    _refuse(stage, "doubled", {row_id for (row_id, _), count in seen.items() if count > 1})
    latest = latest_attempts(ledger)
    if expected is not None:
        present = set(latest["row_id"].to_pylist())
        _refuse(stage, "lost", set(expected) - present)
        _refuse(stage, "not among the inputs", present - set(expected))
    return latest


def check_units(stage: str, units: int | None, parts: Iterable[PartInfo]) -> None:
    """Proves that every unit has its part, where the inputs do not tell whether a row is lost.

    Raises:
        VerificationError: naming the parts that are not there.
    """
    missing = {part_name(unit) for unit in range(units or 0)} - {part.name for part in parts}
    if missing:
        shown = ", ".join(sorted(missing)[:5])
        raise VerificationError(f"{stage}: {len(missing)} of {units} units have no part: {shown}")


def count_rows(latest: pa.Table) -> dict[str, Any]:
    """The counts of a manifest: inputs, accepted, rejected, failed, reasons."""
    statuses = Counter(latest["status"].to_pylist())
    reasons = Counter(reason for reason in latest["reason"].to_pylist() if reason)
    return {
        "inputs": latest.num_rows,
        **{status.value: statuses[status.value] for status in RowStatus},
        "reasons": dict(reasons.most_common()),
    }


def close_table(
    run: Run,
    stage: str,
    fingerprint: dict[str, Any],
    *,
    expected: Collection[str] | None,
    units: int | None = None,
    candidates: tuple[PartInfo, ...] = (),
    details: dict[str, Any] | None = None,
) -> Manifest:
    """Checks the stage's rows and writes its manifest, which marks it as done."""
    ledger, parts = read_ledger(run, stage)
    check_units(stage, units, parts)
    latest = check_rows(stage, ledger, expected)
    manifest = Manifest(
        stage=stage,
        fingerprint=fingerprint,
        parts=parts,
        units=units,
        candidates=candidates,
        details=details or {},
        **count_rows(latest),
    )
    if manifest.inputs != manifest.accepted + manifest.rejected + manifest.failed:
        raise VerificationError(f"{stage}: a row has an unknown status")
    try:
        write_manifest(run.store, run.prefix(stage), manifest)
    except ObjectExists:
        # Another runner closed the stage at the same moment: its manifest counts.
        return run.manifest(stage) or manifest
    return manifest


def check_table(run: Run, manifest: Manifest, expected: Collection[str] | None) -> None:
    """Proves that a finished table is what its manifest says.

    Raises:
        VerificationError: with what does not add up.
    """
    ledger, parts = read_ledger(run, manifest.stage)
    check_units(manifest.stage, manifest.units, manifest.parts)
    unlisted = {part.name for part in parts} - {part.name for part in manifest.parts}
    if unlisted:
        raise VerificationError(f"parts that the manifest does not list: {', '.join(unlisted)}")
    counts = count_rows(check_rows(manifest.stage, ledger, expected))
    recorded = manifest.model_dump(include=set(counts))
    if counts != recorded:
        raise VerificationError(f"the rows count {counts}, the manifest says {recorded}")
    if manifest.inputs != manifest.accepted + manifest.rejected + manifest.failed:
        raise VerificationError("inputs != accepted + rejected + failed")


def _refuse(stage: str, fault: str, row_ids: set[str]) -> None:
    if row_ids:
        shown = ", ".join(sorted(row_ids)[:5])
        raise VerificationError(f"{stage}: {len(row_ids)} rows {fault}: {shown}")
