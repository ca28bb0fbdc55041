"""Metrics with TGI's names, in Prometheus' text format.

Written by hand, since TGI's counters have no `_total` and the usual client adds it.
"""

import threading
from bisect import bisect_left
from collections.abc import Callable, Mapping
from typing import Literal

DURATIONS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
TOKENS = (16.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0, 8192.0)
SIZES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)

HELP = {
    "tgi_request_count": "Total number of requests",
    "tgi_request_success": "Number of successful requests",
    "tgi_request_failure": "Number of failed requests by reason",
    "tgi_request_duration": "Request duration in seconds",
    "tgi_request_validation_duration": "Request validation duration in seconds",
    "tgi_request_queue_duration": "Request queue duration in seconds",
    "tgi_request_inference_duration": "Request inference duration in seconds",
    "tgi_request_mean_time_per_token_duration": "Mean time per token of a request in seconds",
    "tgi_request_input_length": "Input token length per request",
    "tgi_request_max_new_tokens": "Maximum new tokens per request",
    "tgi_request_generated_tokens": "Generated tokens per request",
    "tgi_batch_inference_count": "Inference calls per method (prefill or decode)",
    "tgi_batch_inference_success": "Number of successful inference calls per method",
    "tgi_batch_inference_duration": "Batch inference duration in seconds",
    "tgi_batch_next_size": "Size of the batch of an inference call",
    "tgi_batch_current_size": "Current batch size",
    "tgi_batch_current_max_tokens": "Tokens that the current batch may come to hold",
    "tgi_batch_max_total_tokens": "Tokens that a full batch may hold",
    "tgi_queue_size": "Current queue size",
}
BUCKETS = {
    "tgi_request_input_length": TOKENS,
    "tgi_request_max_new_tokens": TOKENS,
    "tgi_request_generated_tokens": TOKENS,
    "tgi_batch_next_size": SIZES,
}


class Histogram:
    """Cumulative buckets, sum and count."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Counts a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def lines(self, name: str, labels: str) -> list[str]:
        """Text format."""
        inside = f"{labels}," if labels else ""
        lines, total = [], 0
        for bound, count in zip((*self.bounds, float("inf")), self.counts, strict=True):
            total += count
            text = "+Inf" if bound == float("inf") else f"{bound:g}"
            lines.append(f'{name}_bucket{{{inside}le="{text}"}} {total}')
        braces = f"{{{labels}}}" if labels else ""
        return [*lines, f"{name}_sum{braces} {self.sum}", f"{name}_count{braces} {total}"]


class Metrics:
    """All metrics of one server; safe for many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counters: dict[tuple[str, str], int] = {}
        self._histograms: dict[tuple[str, str], Histogram] = {}

    def count(self, name: str, labels: str = "", by: int = 1) -> None:
        """Adds to a counter; `labels` is `key="value"`."""
        with self._lock:
            self._counters[name, labels] = self._counters.get((name, labels), 0) + by

    def observe(self, name: str, value: float, labels: str = "") -> None:
        """Counts a value in a histogram."""
        with self._lock:
            histogram = self._histograms.get((name, labels))
            if histogram is None:
                histogram = Histogram(BUCKETS.get(name, DURATIONS))
                self._histograms[name, labels] = histogram
            histogram.observe(value)

    def batch(self, method: Literal["prefill", "decode"], size: int, seconds: float) -> None:
        """An inference call is done (Observer of the engine)."""
        labels = f'method="{method}"'
        self.count("tgi_batch_inference_count", labels)
        self.count("tgi_batch_inference_success", labels)
        self.observe("tgi_batch_inference_duration", seconds, labels)
        self.observe("tgi_batch_next_size", size)

    def render(self, gauges: Mapping[str, Callable[[], float]]) -> str:
        """The text format; gauges are read now."""
        with self._lock:
            parts: dict[str, tuple[str, list[str]]] = {}
            for (name, labels), value in self._counters.items():
                braces = f"{{{labels}}}" if labels else ""
                parts.setdefault(name, ("counter", []))[1].append(f"{name}{braces} {value}")
            for (name, labels), histogram in self._histograms.items():
                lines = histogram.lines(name, labels)
                parts.setdefault(name, ("histogram", []))[1].extend(lines)
        for name, read in gauges.items():
            parts[name] = ("gauge", [f"{name} {read():g}"])
        blocks = [
            "\n".join([f"# HELP {name} {HELP.get(name, name)}", f"# TYPE {name} {kind}", *lines])
            for name, (kind, lines) in sorted(parts.items())
        ]
        return "\n\n".join(blocks) + "\n"
