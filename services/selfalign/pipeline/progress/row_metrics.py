"""What a stage worker counts: its rows, their tokens, and the rules that they cite."""

from prometheus_client import CollectorRegistry, Counter, Histogram

from selfalign.storage.rows import Row
from selfalign.telemetry.metrics import LATENCY_BUCKETS_S


class RowMetrics:
    """Counters of one worker on one stage; they start at 0 with the process."""

    def __init__(self, stage: str) -> None:
        self.registry = CollectorRegistry()
        self._stage = stage
        self._rows = Counter(
            "selfalign_worker_rows_total",
            "Rows that came back from the service; reason is empty for accepted ones.",
            ("stage", "status", "reason"),
            registry=self.registry,
        )
        self._tokens = Counter(
            "selfalign_worker_tokens_total",
            "Tokens of these rows: kind is prompt or completion.",
            ("stage", "kind"),
            registry=self.registry,
        )
        self._citations = Counter(
            "selfalign_worker_rule_citations_total",
            "Accepted rows whose thoughts cite the rule.",
            ("stage", "rule"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "selfalign_worker_row_seconds",
            "Time that a row took in the service.",
            ("stage",),
            buckets=LATENCY_BUCKETS_S,
            registry=self.registry,
        )
        # There at zero from the start: rate() sees no increase in a series that is first
        # scraped after it.
        self._rows.labels(stage, "accepted", "")
        self._tokens.labels(stage, "prompt")
        self._tokens.labels(stage, "completion")
        self._seconds.labels(stage)

    def count(self, row: Row) -> None:
        """Takes a row in."""
        self._rows.labels(self._stage, row.status.value, row.reason).inc()
        self._tokens.labels(self._stage, "prompt").inc(row.prompt_tokens)
        self._tokens.labels(self._stage, "completion").inc(row.completion_tokens)
        self._seconds.labels(self._stage).observe(row.latency_ms / 1e3)
        if row.status == "accepted":
            for rule in row.rules:
                self._citations.labels(self._stage, str(rule)).inc()
