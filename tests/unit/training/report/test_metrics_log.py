"""The records of a job's steps, across restarts."""

import json
from pathlib import Path

from selfalign.storage.open import open_store
from selfalign_training.report.metrics_log import MetricsLog
from support.training_data import step_record


def test_metrics_go_on_behind_the_checkpoint(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store"))
    path = tmp_path / "metrics.jsonl"
    log = MetricsLog(path, store, "run/metrics.jsonl", after_step=0)
    for step in (1, 2, 3):
        log.append(step_record(step, 1.0 / step))
    with path.open("a") as file:
        file.write('{"step": 4, "lo')
    resumed = MetricsLog(path, store, "run/metrics.jsonl", after_step=2)
    resumed.append(step_record(3, 0.5))
    resumed.upload()
    lines = store.get("run/metrics.jsonl").decode().splitlines()
    expected = [step_record(1, 1.0), step_record(2, 0.5), step_record(3, 0.5)]
    assert [json.loads(line) for line in lines] == expected
