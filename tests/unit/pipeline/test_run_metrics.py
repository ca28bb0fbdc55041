"""Metrics of runner and workers, from the events and rows that they see."""

import math
from dataclasses import replace

from prometheus_client import generate_latest

from selfalign.events import Note, Rows, StageKept, StageStarted
from selfalign.pipeline.progress.row_metrics import RowMetrics
from selfalign.pipeline.progress.run_metrics import RunMetrics
from selfalign.pipeline.stages.register import NAMES
from selfalign.storage.rows import Row, RowStatus


def value(metrics: RunMetrics | RowMetrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_stages_of_a_run() -> None:
    metrics = RunMetrics("demo", "small", NAMES)
    assert value(metrics, "selfalign_run_info", run="demo", profile="small") == 1
    assert value(metrics, "selfalign_stage_state", stage="topics") == 0
    reasons = {"too_long": 3, "Timeout": 1}
    metrics.show(StageKept(stage="topics", accepted=20, rejected=3, failed=1, reasons=reasons))
    metrics.show(StageStarted(stage="align"))
    for worker in (0, 1):
        counts = Rows(stage="align", worker=worker, total=10, accepted=4, rejected=1, tokens=70)
        metrics.show(counts)
    metrics.show(Note(stage="Job selfalign-demo-align-1", text="no GPU"))
    assert value(metrics, "selfalign_stage_state", stage="topics") == 2
    assert value(metrics, "selfalign_stage_rows", stage="topics", status="accepted") == 20
    assert value(metrics, "selfalign_stage_reason_rows", stage="topics", reason="too_long") == 3
    assert value(metrics, "selfalign_stage_state", stage="align") == 1
    assert value(metrics, "selfalign_stage_rows", stage="align", status="accepted") == 8
    assert value(metrics, "selfalign_stage_rows_expected", stage="align") == 20
    assert value(metrics, "selfalign_stage_tokens", stage="align") == 140
    elapsed = value(metrics, "selfalign_stage_seconds", stage="align")
    left = value(metrics, "selfalign_stage_seconds_left", stage="align")
    assert elapsed is not None and left is not None
    assert math.isclose(left, elapsed, rel_tol=0.5), "half is done: as long again"
    waiting = value(metrics, "selfalign_stage_seconds_left", stage="distill")
    assert waiting is not None and math.isnan(waiting)
    assert b"NaN" in generate_latest(metrics.registry)


def test_rows_of_a_worker() -> None:
    metrics = RowMetrics("align")
    for status, reason, rules in (
        (RowStatus.ACCEPTED, "", (1, 4)),
        (RowStatus.ACCEPTED, "", (4,)),
        (RowStatus.REJECTED, "too_short", (1,)),
    ):
        row = Row(row_id="a", prompt_id="a", status=status, reason=reason, rules=rules)
        metrics.count(replace(row, latency_ms=1500.0, prompt_tokens=100, completion_tokens=30))
    rows = "selfalign_worker_rows_total"
    assert value(metrics, rows, stage="align", status="accepted", reason="") == 2
    assert value(metrics, rows, stage="align", status="rejected", reason="too_short") == 1
    cited = "selfalign_worker_rule_citations_total"
    assert value(metrics, cited, stage="align", rule="4") == 2
    assert value(metrics, cited, stage="align", rule="1") == 1
    assert value(metrics, "selfalign_worker_tokens_total", stage="align", kind="prompt") == 300
    assert value(metrics, "selfalign_worker_row_seconds_sum", stage="align") == 4.5
