"""A port of a pod on this machine: for a runner that is not in the cluster."""

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable

from kubernetes import client
from kubernetes.stream import portforward
from urllib3.exceptions import HTTPError
from websocket import WebSocketException

from selfalign.errors import SelfAlignError
from selfalign.pipeline.executors.kubernetes.cluster import Cluster

logger = logging.getLogger(__name__)

CHUNK = 1 << 16
CLOSE_S = 5.0


class Tunnel:
    """Listens on a free local port; each connection goes to a pod through the API server."""

    def __init__(self, cluster: Cluster, choose_pod: Callable[[], str], port: int) -> None:
        """`choose_pod` names the pod of a new connection, so that a replaced one does no harm."""
        self._cluster, self._choose_pod, self._port = cluster, choose_pod, port
        # A client of its own, used by one thread at a time: portforward() swaps its methods.
        self._pods = client.CoreV1Api(client.ApiClient(cluster.api.configuration))
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, name=f"tunnel-{port}", daemon=True).start()

    @property
    def address(self) -> str:
        """host:port on this machine."""
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        """Takes no more connections; those that are open end with their clients."""
        # Wakes accept(), which close() alone does not.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                local, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._connect, args=(local,), daemon=True).start()

    def _connect(self, local: socket.socket) -> None:
        try:
            pod = self._choose_pod()
            with self._lock:
                forward = portforward(
                    self._pods.connect_get_namespaced_pod_portforward,
                    pod,
                    self._cluster.namespace,
                    ports=str(self._port),
                )
            remote = forward.socket(self._port)
        except (
            client.ApiException,
            HTTPError,
            WebSocketException,
            SelfAlignError,
            OSError,
        ) as error:
            logger.warning("no connection to port %d: %s", self._port, error)
            local.close()
            return
        back = threading.Thread(target=_copy, args=(remote, local), daemon=True)
        back.start()
        _copy(local, remote)
        back.join()
        local.close()
        forward.close()
        # The library leaves a socket open whose other end was first to close.
        deadline = time.monotonic() + CLOSE_S
        while forward.connected and time.monotonic() < deadline:
            time.sleep(0.05)
        forward.websocket.shutdown()


def _copy(source: socket.socket, target: socket.socket) -> None:
    """Hands bytes on until the source ends, then tells the target."""
    with contextlib.suppress(OSError):
        while data := source.recv(CHUNK):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
