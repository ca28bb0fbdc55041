"""The table of all metrics: one object, made once in a process and passed to whatever counts."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

# An answer takes from milliseconds (doubles) to minutes (65B under load).
LATENCY_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)


class Metrics:
    """Counters, gauges and histograms of one process, in a registry of their own.

    The `grpc_server_*` names and labels are those of go-grpc-middleware, so that its dashboards
    and alerts work.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        if registry is None:
            ProcessCollector(registry=self.registry)
            PlatformCollector(registry=self.registry)
        method = ("grpc_type", "grpc_service", "grpc_method")
        self.grpc_started = self._counter(
            "grpc_server_started_total", "RPCs started on the server.", method
        )
        self.grpc_handled = self._counter(
            "grpc_server_handled_total",
            "RPCs completed on the server, by status code.",
            (*method, "grpc_code"),
        )
        self.grpc_received = self._counter(
            "grpc_server_msg_received_total", "Messages of request streams.", method
        )
        self.grpc_sent = self._counter(
            "grpc_server_msg_sent_total", "Messages of response streams.", method
        )
        self.grpc_handling_seconds = self._histogram(
            "grpc_server_handling_seconds", "Time of an RPC on the server, to its end.", method
        )
        self.engine_requests = self._counter(
            "selfalign_engine_requests_total",
            "Requests to the inference engine, retries included, by outcome.",
            ("outcome",),
        )
        self.engine_inflight = self._gauge(
            "selfalign_engine_inflight", "Requests that the engine works on now."
        )
        self.engine_pending = self._gauge(
            "selfalign_engine_pending", "Requests that wait for room in the engine."
        )
        self.engine_limit = self._gauge(
            "selfalign_engine_concurrency_limit", "Requests that admission allows at once now."
        )
        self.engine_latency_seconds = self._histogram(
            "selfalign_engine_latency_seconds", "Time of a successful request to the engine."
        )
        self.engine_prompt_tokens = self._counter(
            "selfalign_engine_prompt_tokens_total", "Tokens of prompts that were completed."
        )
        self.engine_completion_tokens = self._counter(
            "selfalign_engine_completion_tokens_total", "Tokens that the engine generated."
        )

    def _counter(self, name: str, text: str, labels: tuple[str, ...] = ()) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(name, text, registry=self.registry)

    def _histogram(self, name: str, text: str, labels: tuple[str, ...] = ()) -> Histogram:
        return Histogram(name, text, labels, buckets=LATENCY_BUCKETS_S, registry=self.registry)
