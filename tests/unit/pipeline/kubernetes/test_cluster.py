"""Answers of an API server to values and errors: over HTTP, with what a real one sends."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from selfalign.errors import ConfigError, SelfAlignError, StageError
from selfalign.events import Event, Rows
from selfalign.pipeline.executors.kubernetes import cluster as module
from selfalign.pipeline.executors.kubernetes.cluster import Cluster, connect
from selfalign.pipeline.executors.kubernetes.log_follower import LogFollower
from support.s3_server import free_port


@dataclass
class Api:
    """Answers requests from a list, the last answer again and again."""

    answers: list[tuple[int, Any]] = field(default_factory=list)
    requests: list[tuple[str, str, Any, str]] = field(default_factory=list)

    def answer(self) -> tuple[int, Any]:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def cluster(api: Api, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    monkeypatch.setattr(module, "RETRY_EVERY_S", 0.01)

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            body = json.loads(self.rfile.read(length)) if length else None
            kind = self.headers.get("Content-Type", "")
            api.requests.append((self.command, self.path, body, kind))
            status, answer = api.answer()
            data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = do_DELETE = handle_any  # noqa: N815

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings = client.Configuration(host=f"http://127.0.0.1:{server.server_port}")
    settings.retries = False
    with client.ApiClient(settings) as http:
        yield Cluster(http, "ns", inside=False)
    server.shutdown()
    server.server_close()


def failure(message: str) -> dict[str, str]:
    return {"kind": "Status", "message": message}


def test_requests_are_those_of_the_api(api: Api, cluster: Cluster) -> None:
    items = [{"metadata": {"name": name}} for name in ("b", "a")]
    api.answers = [(200, {"items": items}), (201, {"made": 1}), (200, {}), (200, {})]
    assert cluster.find("pods", labels="a=b,c=d") == items[::-1]
    assert cluster.create("jobs", {"kind": "Job"}) == {"made": 1}
    cluster.patch("deployments", "e", {"spec": {"replicas": 0}})
    cluster.delete("jobs", "j")
    assert api.requests == [
        ("GET", "/api/v1/namespaces/ns/pods?labelSelector=a%3Db%2Cc%3Dd", None, ""),
        ("POST", "/apis/batch/v1/namespaces/ns/jobs", {"kind": "Job"}, "application/json"),
        (
            "PATCH",
            "/apis/apps/v1/namespaces/ns/deployments/e",
            {"spec": {"replicas": 0}},
            "application/strategic-merge-patch+json",
        ),
        (
            "DELETE",
            "/apis/batch/v1/namespaces/ns/jobs/j",
            {"propagationPolicy": "Background"},
            "application/json",
        ),
    ]


def test_what_is_not_there_is_none_and_what_is_there_already_too(
    api: Api, cluster: Cluster
) -> None:
    api.answers = [(404, failure("not found"))]
    assert cluster.get("jobs", "j") is None
    assert cluster.patch("deployments", "d", {}) is None
    cluster.delete("jobs", "j")
    assert cluster.log_tail("p", "c", 3) == []
    with pytest.raises(ConfigError, match="namespace 'ns': not found"):
        cluster.create("jobs", {})
    api.answers = [(409, failure("already exists"))]
    assert cluster.create("jobs", {}) is None


@pytest.mark.parametrize(
    ("status", "message", "error", "text"),
    [
        (403, 'jobs is forbidden: User "x" cannot create', ConfigError, "chart's service account"),
        (401, "Unauthorized", ConfigError, "chart's service account"),
        (403, "forbidden: exceeded quota: jobs", StageError, "free some of the quota"),
        (422, "Job is invalid: spec.template", ConfigError, "Job is invalid"),
        (400, "cannot be handled as a Job", ConfigError, "cannot be handled"),
    ],
)
def test_refusals(
    status: int, message: str, error: type[SelfAlignError], text: str, api: Api, cluster: Cluster
) -> None:
    api.answers = [(status, failure(message))]
    with pytest.raises(error, match=text) as caught:
        cluster.create("jobs", {})
    assert message in str(caught.value)
    assert len(api.requests) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_short_outages_are_waited_for(status: int, api: Api, cluster: Cluster) -> None:
    api.answers = [(status, failure("busy")), (status, b"proxy: busy"), (200, {"ok": 1})]
    assert cluster.get("jobs", "j") == {"ok": 1}
    assert len(api.requests) == 3


def test_long_outages_are_told(api: Api, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.05)
    api.answers = [(500, failure("etcd is down"))]
    with pytest.raises(StageError, match=r"did not answer GET .*: etcd is down"):
        cluster.get("jobs", "j")
    cluster.api.configuration.host = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(StageError, match="refused"):
        cluster.get("jobs", "j")


def test_logs(api: Api, cluster: Cluster) -> None:
    api.answers = [(400, failure("container is waiting to start"))]
    assert cluster.log_tail("p", "c", 3) == []
    api.answers = [(200, b"one\ntwo\n")]
    assert cluster.log_tail("p", "c", 3) == ["one", "two"]
    api.answers = [(200, b"2026-01-01T00:00:01Z old\n2026-01-01T00:00:02Z new\n2026")]
    assert list(cluster.log_lines("p", "c", "2026-01-01T00:00:01Z")) == [
        ("2026-01-01T00:00:02Z", "new"),
    ]
    assert "follow=true&timestamps=true&sinceTime=2026" in api.requests[-1][1]


def test_a_follower_reads_on_until_the_container_has_ended(api: Api, cluster: Cluster) -> None:
    def status(state: dict[str, Any]) -> dict[str, Any]:
        return {"status": {"containerStatuses": [{"name": "c", "state": state}]}}

    first = b'2026-01-01T00:00:01Z {"event": "rows", "accepted": 1}\n2026-01-01T00:00:01Z text\n'
    again = first + b'2026-01-01T00:00:02Z {"event": "rows", "accepted": 2}\n'
    api.answers = [
        (200, first),
        (200, status({"running": {}})),
        (200, again),
        (200, status({"terminated": {"exitCode": 0}})),
    ]
    events: list[Event] = []
    LogFollower(cluster, "p", "c", events.append).finish()
    assert events == [Rows(accepted=1), Rows(accepted=2)]


def test_no_cluster_to_talk_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "none")
    )
    with pytest.raises(ConfigError, match=r"no cluster to talk to: .*KUBECONFIG"):
        connect(None, None)
