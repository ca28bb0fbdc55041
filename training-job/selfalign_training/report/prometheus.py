"""Prometheus metrics of rank 0: their table, and the server that shows them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server

from selfalign.errors import PortInUse
from selfalign.events import Note, emit

PREFIX = "selfalign_training_"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric, named after the field of a step's record that it shows or sums up."""

    field: str
    kind: Literal["gauge", "counter"]
    text: str


METRICS = (
    Metric("loss", "gauge", "Loss of the last logged steps, mean over trained tokens"),
    Metric("grad_norm", "gauge", "Norm of the gradient before clipping"),
    Metric("learning_rate", "gauge", "Learning rate"),
    Metric("tokens_per_s", "gauge", "Tokens of all ranks in a second, padding excluded"),
    Metric("tokens_per_s_rank", "gauge", "The same of one rank on average"),
    Metric("step_s", "gauge", "Seconds of an optimizer step, writing checkpoints excluded"),
    Metric("mfu", "gauge", "Model FLOPs utilisation: share of the GPUs' dense peak, 0 to 1"),
    Metric("padding_share", "gauge", "Share of the computed tokens that is padding, 0 to 1"),
    Metric("checkpoint_s", "gauge", "Seconds until the last checkpoint was whole in the store"),
    Metric("checkpoint_timestamp_seconds", "gauge", "Unix time at which it was whole there"),
    Metric("checkpoint_stall_s", "gauge", "Seconds that training stood still for it"),
    Metric("epoch", "gauge", "Epochs done"),
    Metric("step", "gauge", "Optimizer steps done, those before a resume included"),
    Metric("steps", "gauge", "Optimizer steps of the whole job"),
    Metric("optimizer_steps", "counter", "Optimizer steps since this start of the job"),
    Metric("tokens", "counter", "Tokens trained on since this start, padding excluded"),
    Metric("padding_tokens", "counter", "Padding computed since this start"),
    Metric("checkpoints", "counter", "Checkpoints whole in the store since this start"),
)


class Exporter:
    """/metrics of rank 0."""

    def __init__(self, port: int) -> None:
        """Raises PortInUse."""
        registry = CollectorRegistry()
        self._gauges = {
            metric.field: Gauge(f"{PREFIX}{metric.field}", metric.text, registry=registry)
            for metric in METRICS
            if metric.kind == "gauge"
        }
        self._counters = {
            metric.field: Counter(f"{PREFIX}{metric.field}", metric.text, registry=registry)
            for metric in METRICS
            if metric.kind == "counter"
        }
        self._rows = Gauge(
            f"{PREFIX}rows", "Accepted rows by what became of them", ["outcome"], registry=registry
        )
        try:
            self._server, self._thread = start_http_server(port, registry=registry)
        except OSError as error:
            raise PortInUse(
                f"metrics_port: port {port} cannot be used: {error.strerror}; name another one, "
                "or 0 for any free port"
            ) from error
        bound = self._server.server_port
        emit(Note(text=f"metrics on port {bound}"))

    def show_rows(self, counts: Mapping[str, int]) -> None:
        """Sets what became of the rows: trained on, or dropped and why."""
        for name, count in counts.items():
            if name == "sequences" or name.startswith("dropped_"):
                self._rows.labels(outcome=name).set(count)

    def show(self, record: Mapping[str, object]) -> None:
        """Sets each gauge that the record has a number for."""
        for name, gauge in self._gauges.items():
            value = record.get(name)
            if isinstance(value, int | float):
                gauge.set(value)

    def add(self, **amounts: float) -> None:
        """Raises counters."""
        for name, amount in amounts.items():
            self._counters[name].inc(amount)

    def close(self) -> None:
        """Frees the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
