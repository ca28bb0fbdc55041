"""The ports of our processes: what a server, its clients and the chart must agree on."""

from selfalign.settings.section import Port, Section

GRPC_PORT = 50051
HEALTH_PORT = 50052
"""The plaintext health service, in a pod."""
METRICS_PORT = 9090
"""Prometheus metrics, in a pod; outside, they are off until a port is named."""
ENGINE_PORT = 8080
"""HTTP of an inference engine."""


class MetricsSettings(Section):
    """Metrics of this process."""

    metrics_port: Port | None = None
    """Prometheus metrics over HTTP at /metrics; off unless a port is named."""
