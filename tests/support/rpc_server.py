"""A gRPC server of one service on a free port, inside the test's event loop."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from selfalign.rpc.channel import ChannelSettings
from selfalign.rpc.server import ServerSettings, ServiceRegistration, run_server
from selfalign.telemetry.metrics import Metrics


@asynccontextmanager
async def serving(
    registrations: Sequence[ServiceRegistration],
    metrics: Metrics | None = None,
    **settings: Any,
) -> AsyncIterator[ChannelSettings]:
    """Runs the server while the block runs; yields how to reach it."""
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    server = asyncio.create_task(
        run_server(
            registrations,
            ServerSettings(**{"host": "127.0.0.1", "port": 0, **settings}),
            metrics=metrics,
            ready=port.set_result,
        )
    )
    while not port.done():
        if server.done():
            server.result()
        await asyncio.sleep(0.01)
    try:
        yield ChannelSettings(target=f"127.0.0.1:{port.result()}")
    finally:
        server.cancel()
        await asyncio.gather(server, return_exceptions=True)


async def status_of(channel: ChannelSettings, name: str) -> int:
    """What the health service says of `name`."""
    async with grpc.aio.insecure_channel(channel.target) as raw:
        stub: Any = health_pb2_grpc.HealthStub
        response = await stub(raw).Check(health_pb2.HealthCheckRequest(service=name), timeout=5)
        return int(response.status)
