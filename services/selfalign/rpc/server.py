"""The gRPC server that every service runs in, from its port to its drained end."""

import asyncio
import contextlib
import logging
import signal
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from selfalign.rpc.auth import BearerTokens
from selfalign.rpc.call_limits import CallLimits
from selfalign.rpc.call_series import prepare_series
from selfalign.rpc.channel import MEBIBYTE
from selfalign.rpc.credentials import server_credentials
from selfalign.rpc.drain import Drain
from selfalign.rpc.health import Health
from selfalign.rpc.interceptors import CallInterceptor
from selfalign.rpc.server_settings import ServerSettings
from selfalign.telemetry.exporter import bind_error, serving_metrics
from selfalign.telemetry.metrics import Metrics

__all__ = ["ServerSettings", "ServiceRegistration", "run_server"]

logger = logging.getLogger(__name__)

# Health checks and the like beside the calls that max_concurrent_rpcs counts.
HEADROOM_RPCS = 64


@dataclass(frozen=True, slots=True)
class ServiceRegistration:
    """A service: its full name, how to add it, and a check of what it depends on.

    Streaming methods must be async generators. `check` raises a SelfAlignError while the service
    cannot work; None means that it always can.
    """

    full_name: str
    add: Callable[[grpc.aio.Server], None]
    check: Callable[[], Awaitable[None]] | None = None


async def run_server(
    registrations: Sequence[ServiceRegistration],
    settings: ServerSettings,
    *,
    metrics: Metrics | None = None,
    ready: Callable[[int], None] | None = None,
) -> None:
    """Serves until SIGTERM or SIGINT, then drains: NOT_SERVING, request streams end, what is
    under way finishes within `drain_grace_s`. `ready` is called with the port once it is open.

    Cancelling the call stops the server at once.

    Raises:
        PortInUse: another process has the port.
        ConfigError: the address or a file of the settings cannot be used.
    """
    metrics = metrics or Metrics()
    drain = Drain()
    health = Health({r.full_name: r.check for r in registrations}, settings.check_interval_s)
    server = _build(registrations, settings, metrics, drain, health)
    port = _listen(server, settings)
    stop = asyncio.Event()
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(serving_metrics(settings.metrics_port, metrics.registry, settings.host))
        await stack.enter_async_context(health.watching())
        await stack.enter_async_context(_health_server(settings, health))
        stack.enter_context(_on_signal(stop))
        await server.start()
        try:
            logger.info("serving on %s:%d", settings.host, port)
            if ready is not None:
                ready(port)
            await stop.wait()
            logger.info("draining")
            await health.drain()
            await asyncio.sleep(settings.drain_delay_s)
            drain.begin()
            await server.stop(settings.drain_grace_s)
        finally:
            await server.stop(None)


def _build(
    registrations: Sequence[ServiceRegistration],
    settings: ServerSettings,
    metrics: Metrics,
    drain: Drain,
    health: Health,
) -> grpc.aio.Server:
    tokens = BearerTokens(settings.token_file) if settings.token_file else None
    limits = CallLimits(settings.max_concurrent_rpcs, settings.max_deadline_s, tokens)
    server = grpc.aio.server(
        interceptors=[CallInterceptor(metrics, limits, drain)],
        options=_options(settings),
        maximum_concurrent_rpcs=settings.max_concurrent_rpcs + HEADROOM_RPCS,
    )
    for registration in registrations:
        registration.add(server)
        prepare_series(metrics, registration.full_name)
    health_pb2_grpc.add_HealthServicer_to_server(health.servicer, server)
    if settings.reflection:
        names = [registration.full_name for registration in registrations]
        reflection.enable_server_reflection(
            [*names, "grpc.health.v1.Health", reflection.SERVICE_NAME], server
        )
    return server


def _options(settings: ServerSettings) -> list[tuple[str, int]]:
    options = [
        # Two servers on one port would share its connections silently.
        ("grpc.so_reuseport", 0),
        ("grpc.max_send_message_length", settings.max_message_mb * MEBIBYTE),
        ("grpc.max_receive_message_length", settings.max_message_mb * MEBIBYTE),
        ("grpc.max_metadata_size", 64 << 10),
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        # Clients ping every 30 s; the default allows one in 5 minutes and then cuts them off.
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    ]
    if settings.max_connection_age_s is not None:
        # Without a grace: it would cut off the streams of workers.
        options.append(("grpc.max_connection_age_ms", round(settings.max_connection_age_s * 1e3)))
    return options


def _listen(server: grpc.aio.Server, settings: ServerSettings) -> int:
    address = f"{settings.host}:{settings.port}"
    credentials = server_credentials(settings)
    try:
        if credentials is None:
            return server.add_insecure_port(address)
        return server.add_secure_port(address, credentials)
    except RuntimeError as error:
        raise bind_error(settings.host, settings.port) from error


@contextlib.asynccontextmanager
async def _health_server(settings: ServerSettings, health: Health) -> AsyncIterator[None]:
    """The plaintext port for probes, if one is set."""
    if settings.health_port is None:
        yield
        return
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    health_pb2_grpc.add_HealthServicer_to_server(health.servicer, server)
    try:
        server.add_insecure_port(f"{settings.host}:{settings.health_port}")
    except RuntimeError as error:
        raise bind_error(settings.host, settings.health_port) from error
    await server.start()
    try:
        yield
    finally:
        await server.stop(None)


@contextlib.contextmanager
def _on_signal(stop: asyncio.Event) -> Iterator[None]:
    """Sets `stop` on SIGTERM and SIGINT; in a thread, where no signal arrives, does nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT)
    for number in signals:
        loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
