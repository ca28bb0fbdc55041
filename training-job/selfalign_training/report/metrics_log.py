"""The records of a job's steps: JSON lines on disk and in the store, kept across restarts."""

import json
import time
from pathlib import Path
from typing import TypedDict, cast

from selfalign.storage.store import Store
from selfalign_training.report.json_lines import read_json_lines

METRICS = "metrics.jsonl"
"""The log's name, in the job's folder and in its output."""
UPLOAD_EVERY_S = 30.0


class StepRecord(TypedDict):
    """One logged step; the names are those of events, metrics and the card too."""

    step: int
    steps: int
    """Optimizer steps of the whole job."""
    epoch: float
    loss: float
    """Mean over the trained tokens since the record before."""
    grad_norm: float | None
    learning_rate: float
    tokens: int
    """Of all ranks since the record before, padding excluded."""
    tokens_per_s: float
    tokens_per_s_rank: float
    step_s: float
    mfu: float | None
    padding_share: float
    checkpoint_s: float | None
    """Seconds until the last checkpoint was whole in the store, if it was since."""
    checkpoint_stall_s: float | None
    resumed_at: int | None
    """The step of the checkpoint that training went on from, in the first record behind it."""


class MetricsLog:
    """Rank 0's record of the job, one JSON object a logged step, kept across restarts."""

    def __init__(self, path: Path, store: Store, key: str, after_step: int) -> None:
        """Goes on behind `after_step`: later lines belong to steps that will be done again."""
        self.path = path
        self._store = store
        self._key = key
        self._uploaded = time.monotonic()
        found = cast(list[StepRecord], read_json_lines(path))
        self.records = [record for record in found if record["step"] <= after_step]
        path.write_text("".join(json.dumps(record) + "\n" for record in self.records))

    def append(self, record: StepRecord) -> None:
        """Adds a line; the store's copy follows every half minute."""
        self.records.append(record)
        with self.path.open("a") as file:
            file.write(json.dumps(record) + "\n")
        if time.monotonic() - self._uploaded >= UPLOAD_EVERY_S:
            self.upload()

    def upload(self) -> None:
        """Brings the store's copy up to date."""
        self._store.upload(self.path, self._key)
        self._uploaded = time.monotonic()
