"""Metrics with TGI's names, in Prometheus' text format.

Not by prometheus_client: TGI's counters have no `_total`, which that package puts on the TYPE line
of every counter (the sample then counts as untyped), and it writes 3.0 where TGI writes 3.
"""

import threading
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

DURATIONS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
"""Upper bounds of buckets: seconds."""
TOKENS = (16.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0, 8192.0)
SIZES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
"""Rows of a batch."""


class Described(NamedTuple):
    """What a metric is."""

    kind: Literal["counter", "histogram", "gauge"]
    help: str
    bounds: tuple[float, ...] = DURATIONS


TGI_METRICS = {
    "tgi_request_count": Described("counter", "Total number of requests"),
    "tgi_request_success": Described("counter", "Number of successful requests"),
    "tgi_request_failure": Described("counter", "Number of failed requests by reason"),
    "tgi_request_duration": Described("histogram", "Request duration in seconds"),
    "tgi_request_validation_duration": Described(
        "histogram", "Request validation duration in seconds"
    ),
    "tgi_request_queue_duration": Described("histogram", "Request queue duration in seconds"),
    "tgi_request_inference_duration": Described(
        "histogram", "Request inference duration in seconds"
    ),
    "tgi_request_mean_time_per_token_duration": Described(
        "histogram", "Mean time per token of a request in seconds"
    ),
    "tgi_request_input_length": Described("histogram", "Input token length per request", TOKENS),
    "tgi_request_max_new_tokens": Described("histogram", "Maximum new tokens per request", TOKENS),
    "tgi_request_generated_tokens": Described("histogram", "Generated tokens per request", TOKENS),
    "tgi_batch_inference_count": Described(
        "counter", "Inference calls per method (prefill or decode)"
    ),
    "tgi_batch_inference_success": Described(
        "counter", "Number of successful inference calls per method"
    ),
    "tgi_batch_inference_duration": Described("histogram", "Batch inference duration in seconds"),
    "tgi_batch_next_size": Described("histogram", "Size of the batch of an inference call", SIZES),
    "tgi_batch_current_size": Described("gauge", "Current batch size"),
    "tgi_batch_current_max_tokens": Described(
        "gauge", "Tokens that the current batch may come to hold"
    ),
    "tgi_batch_max_total_tokens": Described("gauge", "Tokens that a full batch may hold"),
    "tgi_queue_size": Described("gauge", "Current queue size"),
}


@dataclass(slots=True)
class Histogram:
    """Counts of values up to each bound, and beyond the last one."""

    bounds: tuple[float, ...]
    sum: float = 0.0
    counts: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def observe(self, value: float) -> None:
        """Counts a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def lines(self, name: str, labels: str) -> list[str]:
        """Text format: cumulative buckets, sum and count."""
        inside = f"{labels}," if labels else ""
        lines, total = [], 0
        for bound, count in zip((*self.bounds, float("inf")), self.counts, strict=True):
            total += count
            text = "+Inf" if bound == float("inf") else f"{bound:g}"
            lines.append(f'{name}_bucket{{{inside}le="{text}"}} {total}')
        braces = _braces(labels)
        return [*lines, f"{name}_sum{braces} {self.sum}", f"{name}_count{braces} {total}"]


class TgiMetrics:
    """All metrics of one server; safe for many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counters: dict[tuple[str, str], int] = {}
        self._histograms: dict[tuple[str, str], Histogram] = {}

    def count(self, name: str, labels: str = "") -> None:
        """Adds one to a counter; `labels` is `key="value"`."""
        with self._lock:
            self._counters[name, labels] = self._counters.get((name, labels), 0) + 1

    def observe(self, name: str, value: float, labels: str = "") -> None:
        """Counts a value in a histogram."""
        with self._lock:
            histogram = self._histograms.get((name, labels))
            if histogram is None:
                histogram = Histogram(TGI_METRICS[name].bounds)
                self._histograms[name, labels] = histogram
            histogram.observe(value)

    def batch(self, method: Literal["prefill", "decode"], size: int, seconds: float) -> None:
        """A forward pass is done (BatchObserver of the scheduler)."""
        labels = f'method="{method}"'
        self.count("tgi_batch_inference_count", labels)
        self.count("tgi_batch_inference_success", labels)
        self.observe("tgi_batch_inference_duration", seconds, labels)
        self.observe("tgi_batch_next_size", size)

    def render(self, gauges: Mapping[str, Callable[[], float]]) -> str:
        """The text format; gauges are read now."""
        samples: dict[str, list[str]] = {}
        with self._lock:
            for (name, labels), value in self._counters.items():
                samples.setdefault(name, []).append(f"{name}{_braces(labels)} {value}")
            for (name, labels), histogram in self._histograms.items():
                samples.setdefault(name, []).extend(histogram.lines(name, labels))
        for name, read in gauges.items():
            samples[name] = [f"{name} {read():g}"]
        return "\n\n".join(_block(name, samples[name]) for name in sorted(samples)) + "\n"


def _block(name: str, samples: list[str]) -> str:
    kind, text, _ = TGI_METRICS[name]
    return "\n".join([f"# HELP {name} {text}", f"# TYPE {name} {kind}", *samples])


def _braces(labels: str) -> str:
    return f"{{{labels}}}" if labels else ""
