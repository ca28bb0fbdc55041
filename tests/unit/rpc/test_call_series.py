"""The metrics of RPC methods before anybody calls."""

from selfalign.telemetry.metrics import Metrics
from support.rpc_echo import NAME, EchoService
from support.rpc_server import serving


async def test_series_are_there_before_the_first_call() -> None:
    """A series that starts with its first call has no rate until the second."""
    metrics = Metrics()
    series = {
        "grpc_type": "bidi_stream",
        "grpc_service": NAME,
        "grpc_method": "AlignPrompts",
    }
    get = metrics.registry.get_sample_value
    assert get("grpc_server_started_total", series) is None
    async with serving([EchoService().registration()], metrics):
        assert get("grpc_server_started_total", series) == 0
        assert get("grpc_server_handled_total", {**series, "grpc_code": "OK"}) == 0
        assert get("grpc_server_handling_seconds_count", series) == 0
        assert get("grpc_server_started_total", {**series, "grpc_type": "unary"}) is None
