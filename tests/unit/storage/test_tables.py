"""Rows through Parquet parts and back; the latest attempt counts."""

import io
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfalign.errors import DataError, ObjectExists
from selfalign.storage.manifest import Manifest, read_manifest, write_manifest
from selfalign.storage.open import open_store
from selfalign.storage.rows import Row, RowStatus, content_hash, derive_seed, prompt_id
from selfalign.storage.tables import (
    create_part,
    list_parts,
    parse_part,
    part_name,
    read_rows,
    to_rows,
    to_table,
)
from support.records import records


def row(row_id: str, status: RowStatus = RowStatus.ACCEPTED, attempt: int = 1) -> Row:
    return Row(row_id=row_id, prompt_id=row_id, status=status, attempt=attempt)


@given(st.lists(records(Row), max_size=5))
def test_rows_survive_the_table(given_rows: list[Row]) -> None:
    assert list(to_rows(to_table(given_rows))) == given_rows


def test_part_is_written_once_and_the_latest_attempt_counts(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    first = [row("b", RowStatus.FAILED), row("a")]
    info = create_part(store, f"run/align/{part_name(0)}", first)
    assert (info.name, info.rows) == ("part-00000.parquet", 2)
    with pytest.raises(ObjectExists):
        create_part(store, f"run/align/{part_name(0)}", [row("c")])
    create_part(store, f"run/align/{part_name(0, 2)}", [row("b", attempt=2)])
    create_part(store, "run/align/round-00/part-00000.parquet", [row("z")])
    assert list_parts(store, "run/align") == ["part-00000.parquet", "part-00000.retry-2.parquet"]
    table = read_rows(store, "run/align", columns=["row_id", "status", "attempt"])
    assert table.to_pylist() == [
        {"row_id": "a", "status": "accepted", "attempt": 1},
        {"row_id": "b", "status": "accepted", "attempt": 2},
    ]
    assert read_rows(store, "run/align", status=RowStatus.FAILED).num_rows == 0
    assert read_rows(store, "run/nothing").num_rows == 0


def test_a_part_that_is_no_parquet_is_named(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    store.put("run/align/part-00000.parquet", b"garbage")
    with pytest.raises(DataError, match=r"run/align/part-00000\.parquet"):
        read_rows(store, "run/align")


def test_manifest_is_written_once_and_garbage_is_named(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    assert read_manifest(store, "run/align") is None
    manifest = Manifest(stage="align", inputs=3, accepted=1, rejected=2, reasons={"x": 2})
    write_manifest(store, "run/align", manifest)
    assert read_manifest(store, "run/align") == manifest
    write_manifest(store, "run/align", manifest)
    with pytest.raises(ObjectExists):
        write_manifest(store, "run/align", manifest.model_copy(update={"inputs": 4}))
    store.put("run/refine/manifest.json", b'{"stage": 1}')
    with pytest.raises(DataError, match=r"run/refine/manifest\.json"):
        read_manifest(store, "run/refine")


def test_hashes_keep_borders_and_seeds_keep_scopes() -> None:
    assert content_hash("ab", "c") != content_hash("a", "bc")
    assert prompt_id("ab", "") == prompt_id("ab") != prompt_id("a", "b")
    assert derive_seed(1, "align", "x") == derive_seed(1, "align", "x")
    assert len({derive_seed(run, "align", n) for run in range(9) for n in range(99)}) == 891
    assert 0 <= derive_seed(1, "align") < 2**31


def test_a_column_that_is_missing_is_told() -> None:
    data = io.BytesIO()
    pq.write_table(pa.table({"row_id": ["a"], "status": ["accepted"]}), data)
    assert parse_part("key", data.getvalue(), ["status"]).column_names == ["status"]
    with pytest.raises(DataError, match=r"key: not a readable part: .*attempt"):
        parse_part("key", data.getvalue(), ["row_id", "attempt"])


def test_reading_starts_no_thread() -> None:
    """Threads of Arrow may abort the process when it ends; see parse_part."""
    script = """
import io, os
import pyarrow as pa, pyarrow.parquet as pq
from selfalign.storage.tables import parse_part
data = io.BytesIO()
pq.write_table(pa.table({name: ["text"] * 9 for name in "abcdef"}), data)
before = len(os.listdir("/proc/self/task"))
parse_part("key", data.getvalue())
print(before, len(os.listdir("/proc/self/task")))
"""
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout
    before, after = said.split()
    assert before == after
