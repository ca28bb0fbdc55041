"""Asking a server for the health of one of its services."""

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from selfalign.rpc.channel import ChannelSettings, open_channel

TIMEOUT_S = 5.0


async def probe(settings: ChannelSettings, service: str) -> str:
    """What keeps the service from working; empty when it is SERVING.

    Raises:
        ConfigError: a file of the settings cannot be read.
    """
    async with open_channel(settings) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest(service=service)
        try:
            answer = await stub.Check(request, timeout=TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            return f"{error.code().name}: {error.details()}"
    status = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    return "" if answer.status == health_pb2.HealthCheckResponse.SERVING else str(status)
