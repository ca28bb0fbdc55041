"""Reading a run out of a real store: whole, unfinished, torn and damaged."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from selfalign.errors import DataError
from selfalign.evaluation.evaluation_inputs import aligned_rows
from selfalign.evaluation.report.run_card import render_card
from selfalign.evaluation.report.run_report import render_report
from selfalign.evaluation.report.run_view import MAX_EVIDENCE, VIEW_SCHEMA, load_run_view
from selfalign.storage.manifest import Manifest, write_manifest
from selfalign.storage.open import open_store
from selfalign.storage.rows import RowStatus
from selfalign.storage.store import Store
from selfalign.storage.tables import create_part, part_name
from support import made_up_run


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path))


def write_align(store: Store, count: int = 30) -> None:
    rows = made_up_run.align_rows(count)
    rows[0] = replace(rows[0], status=RowStatus.FAILED, reason="EngineTimeout", evidence="x" * 999)
    create_part(store, f"demo/align/{part_name(0)}", rows[:20])
    create_part(store, f"demo/align/{part_name(1)}", rows[20:])
    again = replace(rows[0], status=RowStatus.ACCEPTED, reason="", evidence="", attempt=2)
    create_part(store, f"demo/align/{part_name(0, 2)}", [again])


def test_a_run_that_has_just_begun(store: Store) -> None:
    view = load_run_view(store, "demo", made_up_run.STAGES)
    assert (view.name, view.config, list(view.manifests), view.results) == ("demo", "", [], None)
    assert view.table("align").num_rows == 0
    assert "No stage of this run" in render_report(view)


async def test_a_whole_run(store: Store) -> None:
    results = await made_up_run.results()
    store.put("demo/run.yaml", b"name: demo\n")
    write_align(store)
    write_manifest(store, "demo/align", made_up_run.table_manifest("align", 30, 20))
    write_manifest(store, "demo/engrave", Manifest(stage="engrave", details={"steps": 2}))
    lines = [json.dumps({"step": step, "loss": 2.0 / step}) for step in (1, 2)]
    lines += ['{"step": 3, "loss": NaN}', '{"step": 3}', "[4]", '{"step": 4, "lo']
    store.put("demo/engrave/metrics.jsonl", "\n".join(lines).encode())
    store.put("demo/evaluate/results.json", results.model_dump_json().encode())
    view = load_run_view(store, "demo", made_up_run.STAGES)
    assert view.config == "name: demo\n"
    assert [manifest.stage for manifest in view.manifests] == ["align", "engrave"]
    assert [curve.points for curve in view.losses] == [((1.0, 2.0), (2.0, 1.0))]
    assert view.results == results
    table = view.table("align")
    assert table.schema.names == VIEW_SCHEMA.names
    assert table.num_rows == 30
    retried = made_up_run.align_rows(1)[0].row_id
    statuses = dict(zip(table["row_id"].to_pylist(), table["status"].to_pylist(), strict=True))
    assert statuses[retried] == "accepted"
    assert max(map(len, table["evidence"].to_pylist())) <= MAX_EVIDENCE
    assert "20 of 30" in render_report(view)
    assert "| align | 30 | 20 |" in render_card(view)


def test_aligned_rows_are_the_accepted_ones_of_the_last_attempt(store: Store) -> None:
    write_align(store)
    rows = made_up_run.align_rows(30)
    expected = {row.row_id: row for row in rows if row.status is RowStatus.ACCEPTED}
    found = {row.row_id: row for row in aligned_rows(store, "demo/align")}
    assert set(found) == set(expected)
    for name, row in found.items():
        for field in ("prompt_id", "instruction", "thoughts", "rules"):
            assert getattr(row, field) == getattr(expected[name], field)


async def test_results_of_an_earlier_version_are_told_apart(store: Store) -> None:
    results = (await made_up_run.results()).model_dump(mode="json")
    old = {name: results[name] for name in ("constitution", "arms", "summaries", "accuracies")}
    store.put("demo/evaluate/results.json", json.dumps(old).encode())
    with pytest.raises(DataError, match=r"results of an earlier version.*report\.html beside it"):
        load_run_view(store, "demo", made_up_run.STAGES)


def test_damaged_objects_are_named(store: Store) -> None:
    store.put("demo/evaluate/results.json", b'{"arms": 3}')
    with pytest.raises(DataError, match=r"demo/evaluate/results\.json: not results"):
        load_run_view(store, "demo", made_up_run.STAGES)
    store.delete("demo/evaluate/results.json")
    store.put("demo/align/part-00000.parquet", b"torn")
    with pytest.raises(DataError, match=r"align/part-00000\.parquet: not a readable part"):
        load_run_view(store, "demo", made_up_run.STAGES)
