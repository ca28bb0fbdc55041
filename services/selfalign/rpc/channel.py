"""Client channels: load balancing over all addresses, keepalive, TLS, bearer tokens."""

import json
from pathlib import Path
from typing import Annotated

import grpc
import grpc.aio
from pydantic import Field

from selfalign.errors import ConfigError
from selfalign.settings.section import Section

MEBIBYTE = 1 << 20


class ChannelSettings(Section):
    """Where a service is and how to reach it."""

    target: str
    """host:port, or any gRPC name (dns:///..., unix:...). A name with many addresses (a headless
    Service) is balanced round-robin over them."""
    tls_ca: Path | None = None
    """CA bundle that signed the server's certificate. Set, the channel uses TLS."""
    tls_cert: Path | None = None
    tls_key: Path | None = None
    """Our own certificate and key, where the server asks for one (mTLS)."""
    tls_server_name: str | None = None
    """Name in the server's certificate, where it is not the target's."""
    token_file: Path | None = None
    """File with a bearer token."""
    max_message_mb: Annotated[int, Field(ge=1, le=256)] = 16
    keepalive_s: Annotated[float, Field(gt=0)] = 30.0
    keepalive_timeout_s: Annotated[float, Field(gt=0)] = 10.0


def open_channel(settings: ChannelSettings) -> grpc.aio.Channel:
    """A channel; it connects with the first call.

    Raises:
        ConfigError: a file cannot be read, or only one of certificate and key is given.
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
    if "://" not in target and not target.startswith(("dns:", "unix:", "ipv4:", "ipv6:")):
        target = f"dns:///{target}"
    if settings.tls_ca is None:
        if settings.tls_cert or settings.tls_key:
            raise ConfigError("tls_cert and tls_key need tls_ca: the CA bundle of the server")
        return grpc.aio.insecure_channel(target, options)
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise ConfigError("tls_cert and tls_key belong together: set both or none")
    credentials = grpc.ssl_channel_credentials(
        read_bytes("tls_ca", settings.tls_ca),
        read_bytes("tls_key", settings.tls_key) if settings.tls_key else None,
        read_bytes("tls_cert", settings.tls_cert) if settings.tls_cert else None,
    )
    if settings.tls_server_name:
        options.append(("grpc.ssl_target_name_override", settings.tls_server_name))
    return grpc.aio.secure_channel(target, credentials, options)


def read_bytes(field: str, path: Path) -> bytes:
    """The file's content. Raises ConfigError, naming the setting `field`."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{field}: cannot read {path}: {error.strerror}") from error


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
