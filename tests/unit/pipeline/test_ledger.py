"""Closing and verifying stages: every way in which a ledger can be wrong is found."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import pyarrow.parquet as pq
import pytest

from selfalign.errors import StoreError, VerificationError
from selfalign.events import EventSink
from selfalign.pipeline.executors.contract.executor import Executor
from selfalign.pipeline.run.run import Run
from selfalign.pipeline.runner.verify import refuse_faults, verify_run
from selfalign.pipeline.stages import prompts, topics
from selfalign.pipeline.stages.kinds.ledger import close_table
from selfalign.pipeline.stages.kinds.stage import StageWork
from selfalign.pipeline.stages.prompt_plan import round_prefix
from selfalign.pipeline.stages.prompt_split import training_prompts
from selfalign.pipeline.stages.prompt_table import candidate_parts
from selfalign.pipeline.units.assignment import WorkerGroup
from selfalign.storage.manifest import Manifest
from selfalign.storage.rows import Row, RowStatus
from selfalign.storage.tables import create_part, part_name
from support.runs import MakeRun


def answers(run: Run, count: int | None = None, attempt: int = 1) -> list[Row]:
    ids = [row.prompt_id for row in training_prompts(run)][:count]
    statuses = [RowStatus.ACCEPTED, RowStatus.REJECTED]
    return [
        Row(
            row_id=prompt_id,
            prompt_id=prompt_id,
            status=statuses[number % 2],
            reason="too_short" if number % 2 else "",
            attempt=attempt,
        )
        for number, prompt_id in enumerate(ids)
    ]


def close(run: Run, rows: list[Row], extra: Sequence[Row] = ()) -> Manifest:
    prefix = run.prefix("align")
    create_part(run.store, f"{prefix}/{part_name(0)}", rows)
    if extra:
        create_part(run.store, f"{prefix}/{part_name(1)}", extra)
    expected = {row.prompt_id for row in training_prompts(run)}
    return close_table(run, "align", {"upstream": {}}, expected=expected)


def test_counts_add_up(make_run: MakeRun) -> None:
    run = make_run(prompts=10, held_out=2)
    manifest = close(run, answers(run))
    assert (manifest.inputs, manifest.accepted, manifest.rejected, manifest.failed) == (8, 4, 4, 0)
    assert manifest.reasons == {"too_short": 4}
    assert [part.rows for part in manifest.parts] == [8]


def test_lost_doubled_and_foreign_rows_are_refused(make_run: MakeRun) -> None:
    cases: list[tuple[Callable[[Run], tuple[list[Row], Sequence[Row]]], str]] = [
        (lambda run: (answers(run, 7), ()), "1 rows lost"),
        (lambda run: (answers(run), answers(run, 2)), "2 rows doubled"),
        (
            lambda run: (
                answers(run),
                [Row(row_id="x", prompt_id="x", status=RowStatus.ACCEPTED)],
            ),
            "1 rows not among the inputs: x",
        ),
    ]
    for make, message in cases:
        run = make_run()
        with pytest.raises(VerificationError, match=message):
            close(run, *make(run))
        assert run.manifest("align") is None
        for info in list(run.store.list("one")):
            run.store.delete(info.key)


def test_a_retried_row_counts_once_with_its_last_status(make_run: MakeRun) -> None:
    run = make_run()
    rows = answers(run)
    failed = [Row(row_id=r.row_id, prompt_id=r.prompt_id, status=RowStatus.FAILED) for r in rows]
    create_part(run.store, f"{run.prefix('align')}/{part_name(0)}", failed)
    retried = answers(run, attempt=2)
    create_part(run.store, f"{run.prefix('align')}/{part_name(0, 2)}", retried)
    manifest = close_table(run, "align", {}, expected={row.row_id for row in rows})
    assert (manifest.inputs, manifest.accepted, manifest.failed) == (8, 4, 0)


def faults(run: Run) -> list[str]:
    return [finding.fault for finding in verify_run(run) if finding.fault]


def test_verify_passes_an_honest_run_and_finds_a_changed_part(make_run: MakeRun) -> None:
    run = make_run()
    close_table(run, "prompts", {"upstream": {}}, expected=None)
    assert [fault for fault in faults(run) if "topics" not in fault] == []
    key = f"{run.prefix('prompts')}/{part_name(0)}"
    whole = run.store.get(key)
    run.store.put(key, whole[:-1] + b"x")
    assert any("other bytes than the manifest says" in fault for fault in faults(run))
    run.store.put(key, whole)
    create_part(run.store, f"{run.prefix('prompts')}/{part_name(1)}", [])
    assert any("does not list: part-00001.parquet" in fault for fault in faults(run))


def test_verify_finds_a_lost_row_and_a_false_count(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run()
    manifest = close(run, answers(run))
    key = f"{run.prefix('align')}/manifest.json"
    run.store.put(key, manifest.model_copy(update={"accepted": 5}).model_dump_json().encode())
    assert any("the manifest says" in fault for fault in faults(run))
    part = tmp_path / run.prefix("align") / part_name(0)
    pq.write_table(pq.read_table(part).slice(1), part)
    assert any("1 rows lost" in fault for fault in faults(run))


TOPIC = Row(row_id="t", prompt_id="t", status=RowStatus.ACCEPTED)


def test_a_stage_of_rows_of_its_own_has_a_part_for_every_unit(make_run: MakeRun) -> None:
    """Where the inputs do not tell that a row is lost, the units do."""
    run = make_run(prompts=0)
    prefix = run.prefix("topics")
    create_part(run.store, f"{prefix}/{part_name(0)}", [TOPIC])
    with pytest.raises(VerificationError, match=r"1 of 2 units have no part: part-00001"):
        close_table(run, "topics", {"upstream": {}}, expected=None, units=2)
    create_part(run.store, f"{prefix}/{part_name(1)}", [])
    manifest = close_table(run, "topics", {"upstream": {}}, expected=None, units=2)
    assert manifest.units == 2
    assert faults(run) == []
    fewer = {"parts": manifest.parts[:1], "inputs": 1, "accepted": 1}
    text = manifest.model_copy(update=fewer).model_dump_json()
    run.store.put(f"{prefix}/manifest.json", text.encode())
    run.store.delete(f"{prefix}/{part_name(1)}")
    assert faults(run) == ["topics: 1 of 2 units have no part: part-00001.parquet"]


class ForgetfulExecutor:
    """Its workers end well, and write one part of two."""

    def __init__(self, run: Run) -> None:
        self.run = run

    def run_workers(self, group: WorkerGroup, target: str, report: EventSink) -> None:
        key = f"{self.run.prefix(group.stage)}/{part_name(0, group.attempt)}"
        create_part(self.run.store, key, [TOPIC])


def test_a_part_that_no_worker_left_in_the_store_is_missed_at_once(make_run: MakeRun) -> None:
    run = make_run(prompts=0)
    executor = cast("Executor", ForgetfulExecutor(run))
    work = StageWork(run=run, executor=executor, report=print, fingerprint={}, stages=())
    units = len(topics.STAGE.units(run, 1))
    with pytest.raises(StoreError, match=rf"topics: {units - 1} of {units} units have no part"):
        topics.STAGE.run_workers(work, "127.0.0.1:1")


def test_the_candidates_of_prompts_are_in_the_manifest(make_run: MakeRun) -> None:
    run = make_run(prompts=0)
    part = f"{round_prefix(run, 0)}/{part_name(0)}"
    create_part(run.store, part, [TOPIC])
    candidates = tuple(candidate_parts(run, round_prefix(run, 0)))
    assert [(one.name, one.rows) for one in candidates] == [("round-00/part-00000.parquet", 1)]
    close_table(run, "prompts", {"upstream": {}}, expected=None, candidates=candidates)
    assert [fault for fault in faults(run) if "topics" not in fault] == []
    run.store.delete(part)
    assert any("round-00/part-00000.parquet does not exist" in fault for fault in faults(run))


def test_what_follows_reads_what_the_manifest_names_and_nothing_else(make_run: MakeRun) -> None:
    """Deleted, altered and foreign parts of a finished stage."""
    run = make_run()
    close_table(run, "prompts", {"upstream": {}}, expected=None)
    rows = prompts.STAGE.accepted(run)
    create_part(run.store, f"{run.prefix('prompts')}/{part_name(9)}", [TOPIC])
    assert prompts.STAGE.accepted(run) == rows
    key = f"{run.prefix('prompts')}/{part_name(0)}"
    whole = run.store.get(key)
    run.store.put(key, whole[:-1] + b"x")
    with pytest.raises(VerificationError, match=r"part-00000.parquet: other bytes than the manif"):
        prompts.STAGE.accepted(run)
    run.store.delete(key)
    with pytest.raises(VerificationError, match=r"part-00000.parquet: is not there, and the stage"):
        prompts.STAGE.accepted(run)
    with pytest.raises(VerificationError, match=r"run one: \d+ of \d+ checks failed: prompts: "):
        refuse_faults(run)


def test_a_run_without_faults_counts_its_checks(make_run: MakeRun) -> None:
    run = make_run(prompts=0)
    create_part(run.store, f"{run.prefix('topics')}/{part_name(0)}", [TOPIC])
    close_table(run, "topics", {"upstream": {}}, expected=None, units=1)
    assert refuse_faults(run) == 3
