"""Prometheus metrics of one process over HTTP at /metrics."""

import contextlib
import errno
import logging
import socket
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, start_http_server

from selfalign.errors import ConfigError, PortInUse

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def serving_metrics(
    port: int | None, registry: CollectorRegistry, host: str = "0.0.0.0"
) -> Iterator[None]:
    """Serves on a thread of its own while the block runs; does nothing without a port.

    Raises:
        PortInUse, ConfigError: the port cannot be bound.
    """
    if port is None:
        yield
        return
    try:
        server, thread = start_http_server(port, host, registry=registry)
    except OSError as error:
        raise bind_error(host, port) from error
    logger.info("metrics on %s:%d", host, server.server_port)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def bind_error(host: str, port: int) -> PortInUse | ConfigError:
    """Why the address cannot be bound: the servers' own errors do not say."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        try:
            probe.bind((host.strip("[]"), port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                return ConfigError(
                    f"host: cannot listen on {host!r}, port {port}: {error}; "
                    "expected an address of this machine and a port that is allowed"
                )
    return PortInUse(
        f"port: {port} on {host} is taken by another process; stop it, name another port, or 0 "
        "for a free one"
    )
