"""The API server: JSON objects in and out, our own errors, patience with short outages."""

import json
import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from kubernetes import client, config
from urllib3.exceptions import HTTPError

from selfalign.errors import ConfigError, SelfAlignError, StageError

logger = logging.getLogger(__name__)

Kind = Literal["jobs", "pods", "services", "configmaps", "events", "deployments"]
Object = dict[str, Any]
"""An object of the API, as its JSON."""

GROUPS: dict[Kind, str] = {
    "jobs": "/apis/batch/v1",
    "deployments": "/apis/apps/v1",
    "pods": "/api/v1",
    "services": "/api/v1",
    "configmaps": "/api/v1",
    "events": "/api/v1",
}
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
MERGE_PATCH = "application/strategic-merge-patch+json"
CONNECT_TIMEOUT_S, READ_TIMEOUT_S = 10.0, 30.0
# An idle log is asked for again after this time, which finds dead connections.
LOG_IDLE_S = 60.0
# An upgrade of the control plane takes a minute or two.
PATIENCE_S = 180.0
RETRY_EVERY_S = 2.0
POOL_SIZE = 64


@dataclass(frozen=True, slots=True)
class Cluster:
    """One namespace of a cluster. Methods block; all but `log_lines` ride out short outages.

    Raises:
        ConfigError: the server refuses an object or our rights.
        StageError: it could not be reached for PATIENCE_S.
    """

    api: client.ApiClient
    namespace: str
    inside: bool
    """Whether we run in a pod of the cluster."""

    def get(self, kind: Kind, name: str) -> Object | None:
        """The object, or None where there is none."""
        status, body = self._ask("GET", self._path(kind, name))
        return None if status == 404 else body

    def find(self, kind: Kind, *, labels: str = "", fields: str = "") -> list[Object]:
        """The objects that the selectors choose, by name."""
        query = {"labelSelector": labels, "fieldSelector": fields}
        _, body = self._ask("GET", self._path(kind), query)
        return sorted(body.get("items", []), key=lambda item: str(item["metadata"]["name"]))

    def create(self, kind: Kind, body: Object) -> Object | None:
        """Creates the object; None where one of its name is there already."""
        status, created = self._ask("POST", self._path(kind), body=body)
        if status == 404:
            raise ConfigError(f"namespace {self.namespace!r}: {_message(created)}")
        return None if status == 409 else created

    def patch(self, kind: Kind, name: str, body: Object) -> Object | None:
        """A strategic merge patch; None where there is no such object."""
        status, patched = self._ask("PATCH", self._path(kind, name), body=body)
        return None if status == 404 else patched

    def delete(self, kind: Kind, name: str) -> None:
        """Deletes the object, and soon what it owns; one that is not there is no error."""
        self._ask("DELETE", self._path(kind, name), body={"propagationPolicy": "Background"})

    def log_tail(
        self, pod: str, container: str, lines: int, *, previous: bool = False
    ) -> list[str]:
        """The last lines of a container's log, or of its life before; none where there is none."""
        query = {"container": container, "tailLines": lines}
        query |= {"previous": "true"} if previous else {}
        path = f"{self._path('pods', pod)}/log"
        # 400: the container has not started.
        status, body = self._ask("GET", path, query, expected=(400, 404), text=True)
        return str(body).splitlines() if status == 200 else []

    def log_lines(self, pod: str, container: str, since: str) -> Iterator[tuple[str, str]]:
        """(time, line) of a container's log as it grows, until it ends or falls silent.

        Args:
            since: RFC 3339 time of the last line that is known; empty for all.

        Raises:
            HTTPError: the connection broke or was silent for LOG_IDLE_S; ask again.
        """
        query = {"container": container, "follow": "true", "timestamps": "true"}
        # The server cuts to seconds, so known lines come again.
        query |= {"sinceTime": since} if since else {}
        path = f"{self._path('pods', pod)}/log"
        response = self._send("GET", path, query, None, (CONNECT_TIMEOUT_S, LOG_IDLE_S))
        try:
            if response.status != 200:
                return
            for line in _lines(response.response.stream(amt=None, decode_content=False)):
                stamp, _, text = line.partition(" ")
                if stamp > since:
                    yield stamp, text
        finally:
            response.response.close()

    def _path(self, kind: Kind, name: str = "") -> str:
        path = f"{GROUPS[kind]}/namespaces/{self.namespace}/{kind}"
        return f"{path}/{name}" if name else path

    def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        body: Object | None = None,
        *,
        expected: tuple[int, ...] = (404, 409),
        text: bool = False,
    ) -> tuple[int, Any]:
        """(status, body) of 2xx and what is expected; other answers are errors, after retries."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                timeout = (CONNECT_TIMEOUT_S, READ_TIMEOUT_S)
                response = self._send(method, path, query or {}, body, timeout)
                status, data = int(response.status), response.read()
                problem = _message(_parse(data))
            except (HTTPError, client.ApiException) as error:
                problem = str(error)
            else:
                if status < 300 or status in expected:
                    return status, data.decode(errors="replace") if text else _parse(data)
                if status != 429 and status < 500:
                    raise _refusal(status, problem, f"{method} {path}")
            if time.monotonic() > deadline:
                raise StageError(
                    f"the API server of the cluster did not answer {method} {path} for "
                    f"{PATIENCE_S:.0f} s: {problem}"
                )
            logger.warning("%s %s: %s; trying again", method, path, problem)
            time.sleep(RETRY_EVERY_S)

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any],
        body: Object | None,
        timeout: tuple[float, float],
    ) -> Any:  # noqa: ANN401 - the client's response
        headers = {"Accept": "*/*" if path.endswith("/log") else "application/json"}
        if body is not None:
            headers["Content-Type"] = MERGE_PATCH if method == "PATCH" else "application/json"
        request = self.api.param_serialize(
            method,
            path,
            query_params=[(key, value) for key, value in query.items() if value],
            header_params=headers,
            body=body,
            auth_settings=["BearerToken"],
        )
        return self.api.call_api(*request, _request_timeout=timeout)


def connect(namespace: str | None, context: str | None) -> Cluster:
    """The cluster that we run in, or that of the kubeconfig (KUBECONFIG, ~/.kube/config).

    Raises:
        ConfigError: neither is there.
    """
    settings = client.Configuration()
    inside = context is None and (SERVICE_ACCOUNT / "token").is_file()
    try:
        if inside:
            config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
            default = (SERVICE_ACCOUNT / "namespace").read_text().strip()
        else:
            config.load_kube_config(  # type: ignore[no-untyped-call]
                context=context, client_configuration=settings
            )
            contexts, active = config.list_kube_config_contexts()  # type: ignore[no-untyped-call]
            chosen = next((item for item in contexts if item["name"] == context), active)
            default = chosen["context"].get("namespace", "default")
    except config.ConfigException as error:
        raise ConfigError(
            f"executor.kubernetes: no cluster to talk to: {error}; run in a pod with a service "
            "account, or name a kubeconfig in KUBECONFIG"
        ) from error
    # Retries are ours, with an end that is told.
    settings.retries = False
    # A followed log holds a connection.
    settings.connection_pool_maxsize = POOL_SIZE
    return Cluster(client.ApiClient(settings), namespace or default, inside)


def _refusal(status: int, problem: str, request: str) -> SelfAlignError:
    if status == 403 and "exceeded quota" in problem:
        return StageError(
            f"{problem}; free some of the quota, have it raised, or lower the requests"
        )
    if status in (401, 403):
        return ConfigError(
            f"{request}: {problem}; the runner needs the chart's service account (or the same "
            "rights for the kubeconfig's user)"
        )
    return ConfigError(f"{request}: {problem}")


def _message(body: Any) -> str:  # noqa: ANN401
    return str(body.get("message", body)) if isinstance(body, dict) else str(body)[:500]


def _parse(data: bytes) -> Any:  # noqa: ANN401
    try:
        return json.loads(data)
    except ValueError:
        return data.decode(errors="replace")


def _lines(chunks: Iterator[bytes]) -> Iterator[str]:
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (line.decode(errors="replace") for line in lines)
    if rest:
        yield rest.decode(errors="replace")
