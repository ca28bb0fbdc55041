"""What the job tells: events on stdout, records of its steps as JSON lines in the store."""

import json
import time
from pathlib import Path
from typing import Any

from selfalign.storage.store import Store

UPLOAD_EVERY_S = 30.0


def tell(event: str, **fields: Any) -> None:  # noqa: ANN401
    """One JSON line on stdout, e.g. {"event": "step", "step": 3, "steps": 15, "loss": 1.2}."""
    # Line end included: threads tell too, and must not cut into one another's lines.
    print(json.dumps({"event": event, **fields}) + "\n", end="", flush=True)


class MetricsLog:
    """Rank 0's record of the job, one JSON object a logged step, kept across restarts."""

    def __init__(self, path: Path, store: Store, key: str, after_step: int) -> None:
        """Goes on behind `after_step`: later lines belong to steps that will be done again."""
        self._path = path
        self._store = store
        self._key = key
        self._uploaded = time.monotonic()
        self.records = [record for record in read_records(path) if record["step"] <= after_step]
        path.write_text("".join(json.dumps(record) + "\n" for record in self.records))

    def append(self, record: dict[str, Any]) -> None:
        """Adds a line; the store's copy follows every half minute."""
        self.records.append(record)
        with self._path.open("a") as file:
            file.write(json.dumps(record) + "\n")
        if time.monotonic() - self._uploaded >= UPLOAD_EVERY_S:
            self.upload()

    def upload(self) -> None:
        """Brings the store's copy up to date."""
        self._store.upload(self._path, self._key)
        self._uploaded = time.monotonic()


def read_records(path: Path) -> list[dict[str, Any]]:
    """A JSON-lines file's records up to the first torn one, which a kill may leave at its end."""
    records: list[dict[str, Any]] = []
    if not path.is_file():
        return records
    for line in path.read_text().splitlines():
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return records
