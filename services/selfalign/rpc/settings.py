"""Settings of the gRPC server."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from selfalign.settings.section import Port, Section


class ServerSettings(Section):
    """Where and how a service listens."""

    host: str = "0.0.0.0"
    port: Port = 50051
    """0 picks a free one."""
    metrics_port: Port | None = None
    """Prometheus metrics over HTTP at /metrics; off without a port."""
    health_port: Port | None = None
    """A second, plaintext port with the health service only: Kubernetes probes know no TLS."""
    max_message_mb: Annotated[int, Field(ge=1, le=256)] = 16
    max_concurrent_rpcs: Annotated[int, Field(ge=1)] = 512
    """Calls beyond are refused with RESOURCE_EXHAUSTED; health checks do not count."""
    max_deadline_s: Annotated[float, Field(gt=0)] = 3600.0
    """Unary calls must have a deadline, at most this long."""
    drain_delay_s: Annotated[float, Field(ge=0)] = 0.0
    """Between NOT_SERVING and the stop: time for load balancers to look elsewhere."""
    drain_grace_s: Annotated[float, Field(ge=0)] = 60.0
    """How long running calls may take to end after that; then they are cancelled."""
    max_connection_age_s: Annotated[float, Field(gt=0)] | None = 300.0
    """Connections are renewed after this time, so that clients find new replicas; calls under way
    are not disturbed."""
    check_interval_s: Annotated[float, Field(gt=0)] = 5.0
    """How often the health of a service's dependencies is looked at."""
    reflection: bool = True
    token_file: Path | None = None
    """Bearer tokens that are accepted, one a line; without it everybody may call."""
    tls_cert: Path | None = None
    tls_key: Path | None = None
    """Certificate chain and key in PEM; read again when they change."""
    tls_client_ca: Path | None = None
    """CA bundle; set, clients must show a certificate that it signed (mTLS)."""

    @model_validator(mode="after")
    def _pairs(self) -> Self:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key belong together: set both or none")
        if self.tls_client_ca is not None and self.tls_cert is None:
            raise ValueError("tls_client_ca needs tls_cert and tls_key")
        return self
