"""Engine Deployments on a real cluster: weights set, scaled, guarded, refused."""

import urllib.request
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pytest

from integration.kubernetes.conftest import IMAGE
from selfalign.errors import ConfigError, EngineUnavailable, ModelError
from selfalign.pipeline.executors.kubernetes import engines as module
from selfalign.pipeline.executors.kubernetes.cluster import Cluster, Object
from selfalign.pipeline.executors.kubernetes.engines import REPLICAS, WEIGHTS, Engines
from selfalign.pipeline.executors.kubernetes.rollout import Rollout
from selfalign.pipeline.run.config import KubernetesSettings

pytestmark = pytest.mark.kind


# The image has Python.
SERVE = """
cat > /tmp/serve.py <<'END'
import http.server
class Hello(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello")
http.server.ThreadingHTTPServer(("", 8080), Hello).serve_forever()
END
exec python3 /tmp/serve.py
"""


def deployment(name: str, replicas: int, fetch: str, serve: str = SERVE) -> Object:
    labels = {"app": name}
    common = {"image": IMAGE, "imagePullPolicy": "IfNotPresent"}
    weights = {
        "name": "weights",
        "command": ["sh", "-c", fetch],
        "env": [{"name": "SELFALIGN_WEIGHTS", "value": ""}],
    }
    engine = {
        "name": "engine",
        "command": ["sh", "-c", serve],
        "readinessProbe": {"httpGet": {"port": 8080}, "periodSeconds": 1},
    }
    spec = {
        "terminationGracePeriodSeconds": 1,
        "automountServiceAccountToken": False,
        "initContainers": [weights | common],
        "containers": [engine | common],
    }
    return {
        "metadata": {"name": name, "annotations": {WEIGHTS: "owner/base"}},
        "spec": {
            "replicas": replicas,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


@dataclass
class Release:
    """A release of two engines, and the runner's view of it."""

    cluster: Cluster
    settings: KubernetesSettings
    startup_s: float
    notes: list[str] = field(default_factory=list)

    def note(self, *said: str) -> None:
        self.notes.append(": ".join(said))

    @property
    def name(self) -> str:
        return self.settings.release

    @cached_property
    def rollout(self) -> Rollout:
        return Rollout(self.cluster, self.settings, self.startup_s, self.note)

    @cached_property
    def engines(self) -> Engines:
        return Engines(self.cluster, self.settings, self.rollout, self.note)

    def read(self, role: str) -> Object:
        found = self.cluster.get("deployments", f"{self.name}-engine-{role}")
        assert found is not None
        return found

    def variable(self) -> str:
        template = self.read("engraved")["spec"]["template"]["spec"]
        return str(template["initContainers"][0]["env"][0]["value"])


MakeRelease = Callable[..., Release]


@pytest.fixture
def make_release(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> MakeRelease:
    monkeypatch.setattr(module, "GUARD_EVERY_S", 0.0)

    def make(fetch: str = "true", startup_s: float = 60.0, **changes: Any) -> Release:
        name = f"r{uuid.uuid4().hex[:6]}"
        for role, replicas in (("base", 1), ("engraved", 0)):
            body = deployment(f"{name}-engine-{role}", replicas, fetch)
            assert cluster.create("deployments", body) is not None
        settings = KubernetesSettings(
            release=name, **{"scheduling_timeout_s": 5, "trouble_timeout_s": 5, **changes}
        )
        return Release(cluster, settings, startup_s)

    return make


def test_one_node_serves_base_then_engraved_then_final(
    cluster: Cluster, make_release: MakeRelease
) -> None:
    release = make_release()
    engines = release.engines
    url = engines.serve("base", "owner/base")
    # From outside the cluster, through a tunnel; two requests on two connections.
    for _ in range(2):
        with urllib.request.urlopen(url, timeout=20) as answer:
            assert answer.read() == b"hello"
    # A runner that was killed has left it serving: whoever needs the room takes it.
    other = Engines(cluster, release.settings, release.rollout, release.note)
    other.release_all()
    base = release.read("base")
    assert base["spec"]["replicas"] == 0
    assert base["metadata"]["annotations"][REPLICAS] == "1"
    assert cluster.find("pods", labels=f"app={release.name}-engine-base") == []

    engines.serve("engraved", "s3://b/demo/engrave/merged")
    assert release.variable() == "s3://b/demo/engrave/merged"
    assert release.read("engraved")["status"]["availableReplicas"] == 1
    # An upgrade of the release sets everything back in the middle of the stage.
    set_back = {"spec": {"replicas": 0}}
    cluster.patch("deployments", f"{release.name}-engine-engraved", set_back)
    engines.guard()
    assert release.read("engraved")["spec"]["replicas"] == 1

    engines.serve("final", "s3://b/demo/distill/merged")
    assert release.variable() == "s3://b/demo/distill/merged"
    assert release.read("engraved")["metadata"]["annotations"][WEIGHTS] == release.variable()
    engines.release("final")
    assert release.read("engraved")["spec"]["replicas"] == 0
    engines.restore_base()
    assert release.read("base")["spec"]["replicas"] == 1
    assert any("1 of 1 ready after" in note for note in release.notes)


def test_engines_may_be_kept(make_release: MakeRelease) -> None:
    release = make_release(keep_engines=True)
    release.engines.serve("base", "owner/base")
    release.engines.release("base")
    assert release.read("base")["spec"]["replicas"] == 1


def test_another_base_model_is_refused(make_release: MakeRelease) -> None:
    release = make_release()
    with pytest.raises(ConfigError, match=r"model\.base: 'other', but .* serves 'owner/base'"):
        release.engines.serve("base", "other")
    with pytest.raises(ConfigError, match="no Deployment 'none-engine-base'"):
        settings = KubernetesSettings(release="none")
        rollout = Rollout(release.cluster, settings, 1.0, lambda *said: None)
        Engines(release.cluster, settings, rollout, lambda *said: None).serve("base", "m")


def test_weights_that_cannot_be_fetched_end_the_wait(make_release: MakeRelease) -> None:
    release = make_release("echo 'no config.json there' >&2; exit 66")
    with pytest.raises(ModelError, match=r"weights of pod .* exit code 66.*\n.*no config.json"):
        release.engines.serve("engraved", "s3://b/none")


def test_an_engine_that_crashes_or_hangs_has_a_limit(make_release: MakeRelease) -> None:
    crashing = make_release("echo 'out of luck' >&2; exit 1", trouble_timeout_s=2)
    with pytest.raises(EngineUnavailable, match="weights ended with exit code 1 and is started"):
        crashing.engines.serve("engraved", "s3://b/w")
    hanging = make_release("exec sleep 600", startup_s=3)
    with pytest.raises(EngineUnavailable, match=r"not ready after 3 s .*init container weights"):
        hanging.engines.serve("engraved", "s3://b/w")
