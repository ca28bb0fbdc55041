"""Settings of the gRPC server."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from selfalign.settings.ports import GRPC_PORT, MetricsSettings
from selfalign.settings.section import Port, PositiveInt, Seconds
from selfalign.settings.tls import ServerTls


class ServerSettings(ServerTls, MetricsSettings):
    """Where and how a gRPC service listens."""

    host: str = "0.0.0.0"
    """Address to listen on."""
    port: Port = GRPC_PORT
    """Port of the service; 0 picks a free one, which the ready line names."""
    health_port: Port | None = None
    """A second, plaintext port with the health service alone, for probes: Kubernetes' speak no
    TLS. Off unless a port is named."""
    max_message_mb: Annotated[int, Field(ge=1, le=256)] = 16
    """Largest message in MiB, in both directions."""
    max_concurrent_rpcs: PositiveInt = 512
    """Calls beyond are refused with RESOURCE_EXHAUSTED; health checks do not count."""
    max_deadline_s: Seconds = 3600.0
    """Longest deadline in seconds that a unary call may have; it must have one."""
    drain_delay_s: Annotated[float, Field(ge=0)] = 0.0
    """Seconds from NOT_SERVING to the end of request streams: time for load balancers to turn to
    other replicas."""
    drain_grace_s: Annotated[float, Field(ge=0)] = 60.0
    """Seconds that running calls may take to end after that; then they are cancelled."""
    max_connection_age_s: Seconds | None = 300.0
    """Seconds after which a connection is renewed, so that clients find new replicas; running
    calls are not disturbed."""
    check_interval_s: Seconds = 5.0
    """Seconds between two checks of what the service depends on."""
    reflection: bool = True
    """Server reflection, for grpcurl."""
    token_file: Path | None = None
    """Bearer tokens that are accepted, one a line; without it, every caller is."""
