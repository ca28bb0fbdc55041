"""Client channels: load balancing over all addresses, keepalive, TLS, bearer tokens."""

import json
import re
from pathlib import Path
from typing import Annotated

import grpc.aio
from pydantic import Field

from selfalign.rpc.credentials import channel_credentials
from selfalign.settings.section import Seconds
from selfalign.settings.tls import ClientTls

MEBIBYTE = 1 << 20
LOOPBACK = re.compile(r"(?:dns:///|ipv4:|ipv6:)?(?:localhost|127\.|\[?::1)")


class ChannelSettings(ClientTls):
    """Where a service is and how to reach it."""

    target: str
    """The service: host:port, or any gRPC name (dns:///..., unix:...). Calls are balanced
    round-robin over the addresses of a name that has several (a headless Service)."""
    token_file: Path | None = None
    """File with the bearer token that calls carry."""
    max_message_mb: Annotated[int, Field(ge=1, le=256)] = 16
    """Largest message in MiB, in both directions."""
    keepalive_s: Seconds = 30.0
    """Seconds without traffic after which the connection is probed."""
    keepalive_timeout_s: Seconds = 10.0
    """Seconds that a probe's answer may take before the connection counts as lost."""


def open_channel(settings: ChannelSettings) -> grpc.aio.Channel:
    """A channel; it connects with the first call.

    Raises:
        ConfigError: a file cannot be read.
    """
    options = [
        ("grpc.service_config", json.dumps(_service_config())),
        ("grpc.keepalive_time_ms", round(settings.keepalive_s * 1e3)),
        ("grpc.keepalive_timeout_ms", round(settings.keepalive_timeout_s * 1e3)),
        ("grpc.max_send_message_length", settings.max_message_mb * MEBIBYTE),
        ("grpc.max_receive_message_length", settings.max_message_mb * MEBIBYTE),
        ("grpc.max_metadata_size", 64 << 10),
        # Reconnect soon after a rollout, instead of after up to two minutes.
        ("grpc.max_reconnect_backoff_ms", 5000),
    ]
    target = settings.target
    if LOOPBACK.match(target):
        # A proxy of the environment's (http_proxy) knows no service of this machine.
        options.append(("grpc.enable_http_proxy", 0))
    if "://" not in target and not target.startswith(("dns:", "unix:", "ipv4:", "ipv6:")):
        target = f"dns:///{target}"
    credentials = channel_credentials(settings)
    if credentials is None:
        return grpc.aio.insecure_channel(target, options)
    if settings.tls_server_name:
        options.append(("grpc.ssl_target_name_override", settings.tls_server_name))
    return grpc.aio.secure_channel(target, credentials, options)


def _service_config() -> dict[str, object]:
    """round_robin, health-aware; one transparent retry policy for the unary methods.

    Timeouts are set on each call instead: `methodConfig.timeout` fires early in grpc.aio.
    """
    unary = [
        {"service": "selfalign.v1.PrincipleEngineService", "method": "AlignPrompt"},
        {"service": "selfalign.v1.PrincipleEngineService", "method": "GetConstitution"},
        {"service": "selfalign.v1.PrincipleEngineService", "method": "LintConstitution"},
        {"service": "selfalign.v1.RefinerService", "method": "RefinePrompt"},
    ]
    return {
        "loadBalancingConfig": [{"round_robin": {}}],
        "methodConfig": [
            {
                "name": unary,
                "retryPolicy": {
                    "maxAttempts": 4,
                    "initialBackoff": "0.2s",
                    "maxBackoff": "5s",
                    "backoffMultiplier": 2.0,
                    "retryableStatusCodes": ["UNAVAILABLE"],
                },
            }
        ],
    }
