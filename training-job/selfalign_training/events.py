"""What the job tells: events on stdout, metrics as JSON lines in the store, Prometheus."""

import json
import time
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Gauge, start_http_server

from selfalign.errors import PortInUse
from selfalign.storage.store import Store

UPLOAD_EVERY_S = 30.0
GAUGES = {
    "loss": "Loss of the last logged steps, mean over trained tokens",
    "grad_norm": "Norm of the gradient before clipping",
    "learning_rate": "Learning rate",
    "tokens_per_s": "Tokens of all ranks in a second, padding excluded",
    "step_s": "Seconds of an optimizer step",
    "step": "Optimizer steps done",
    "steps": "Optimizer steps of the whole job",
}


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


class PrometheusGauges:
    """The last record on /metrics of rank 0."""

    def __init__(self, port: int) -> None:
        """Raises PortInUse."""
        registry = CollectorRegistry()
        self._gauges = {
            name: Gauge(f"selfalign_training_{name}", text, registry=registry)
            for name, text in GAUGES.items()
        }
        try:
            self._server, self._thread = start_http_server(port, registry=registry)
        except OSError as error:
            raise PortInUse(
                f"metrics_port: port {port} cannot be used: {error.strerror}; name another one, "
                "or 0 for any free port"
            ) from error
        bound = self._server.server_port
        tell("note", message=f"metrics on port {bound}", port=bound)

    def show(self, record: dict[str, Any]) -> None:
        """Sets each gauge that the record has a number for."""
        for name, gauge in self._gauges.items():
            if isinstance(record.get(name), int | float):
                gauge.set(record[name])

    def close(self) -> None:
        """Frees the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


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
