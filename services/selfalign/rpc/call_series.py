"""The metrics of one RPC method, there at zero from the start of the server."""

import grpc
from google.protobuf import descriptor_pool
from prometheus_client import Counter

from selfalign.telemetry.metrics import Metrics

# By (client streams, server streams), as go-grpc-middleware names them.
KINDS = {
    (False, False): "unary",
    (False, True): "server_stream",
    (True, False): "client_stream",
    (True, True): "bidi_stream",
}


class CallSeries:
    """The metric children of one method, looked up once."""

    def __init__(self, metrics: Metrics, kind: str, method: str) -> None:
        service, _, name = method.lstrip("/").rpartition("/")
        labels = (kind, service, name)
        self.kind = kind
        self.method = method
        self.started = metrics.grpc_started.labels(*labels)
        self.received = metrics.grpc_received.labels(*labels)
        self.sent = metrics.grpc_sent.labels(*labels)
        self.seconds = metrics.grpc_handling_seconds.labels(*labels)
        self._handled = metrics.grpc_handled
        self._labels = labels
        self.handled(grpc.StatusCode.OK)

    def handled(self, code: grpc.StatusCode) -> Counter:
        name = "".join(word.capitalize() for word in code.name.split("_"))
        return self._handled.labels(*self._labels, "OK" if name == "Ok" else name)


def prepare_series(metrics: Metrics, service: str) -> None:
    """Makes the series of every method of a service of the generated stubs.

    rate() sees no increase in a series that is first scraped after its calls: without this a
    short burst on a fresh server would show as nothing.

    Raises:
        KeyError: no imported stub has a service of this full name.
    """
    found = descriptor_pool.Default().FindServiceByName(service)
    for method in found.methods:
        kind = KINDS[method.client_streaming, method.server_streaming]
        CallSeries(metrics, kind, f"/{service}/{method.name}")
