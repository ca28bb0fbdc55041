"""A namespace of a real cluster: SELFALIGN_KUBECONFIG names its kubeconfig.

Pods run SELFALIGN_KIND_IMAGE, any image of the nodes that has a shell and Python.
"""

import os
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import yaml
from kubernetes import client, config

from selfalign.events import Event, from_worker
from selfalign.pipeline.executors.kubernetes.cluster import Cluster, Object
from selfalign.pipeline.executors.kubernetes.jobs import Jobs
from selfalign.pipeline.executors.kubernetes.templates import Templates, owner_of
from selfalign.pipeline.executors.kubernetes.watch import JobRequest
from selfalign.pipeline.run.config import KubernetesSettings

IMAGE = os.environ.get("SELFALIGN_KIND_IMAGE", "selfalign/services:0.1.0")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A namespace of our own, deleted afterwards."""
    kubeconfig = os.environ.get("SELFALIGN_KUBECONFIG")
    if not kubeconfig:
        pytest.skip("no cluster: SELFALIGN_KUBECONFIG names no kubeconfig")
    settings = client.Configuration()
    config.load_kube_config(kubeconfig, client_configuration=settings)  # type: ignore[no-untyped-call]
    api = client.ApiClient(settings)
    namespaces = client.CoreV1Api(api)
    name = f"executor-{uuid.uuid4().hex[:8]}"
    metadata = client.V1ObjectMeta(name=name)
    namespaces.create_namespace(client.V1Namespace(metadata=metadata))
    try:
        yield Cluster(api, name, inside=False)
    finally:
        namespaces.delete_namespace(name)


def pod_spec(script: str, **changes: Any) -> Object:
    """A pod of one container that runs a shell script."""
    container = {
        "name": "main",
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", script],
        "volumeMounts": [{"name": "config", "mountPath": "/etc/config"}],
    }
    return {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 1,
        "automountServiceAccountToken": False,
        "containers": [container | changes.pop("container", {})],
        "volumes": [{"name": "config", "configMap": {"name": "${CONFIG_MAP}"}}],
        **changes,
    }


def job_template(spec: Object) -> str:
    """A template as the chart renders it, of the given pod."""
    policy = {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [64, 75]}}
    return yaml.safe_dump(
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": "${NAME}"},
            "spec": {
                "completionMode": "Indexed",
                "completions": "COUNT",
                "parallelism": "COUNT",
                "backoffLimit": 0,
                "podFailurePolicy": {"rules": [policy]},
                "template": {
                    "metadata": {"labels": {"selfalign.dev/run": "${RUN}"}},
                    "spec": spec,
                },
            },
        }
    ).replace(": COUNT", ": ${COUNT}")


@dataclass
class Driver:
    """One runner's Jobs, and what it was told."""

    jobs: Jobs
    run: str
    notes: list[str] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def request(self, **changes: Any) -> JobRequest:
        fields: dict[str, Any] = {
            "template": "worker-job.yaml",
            "stage": "align",
            "attempt": 1,
            "count": 1,
            "digest": "d",
            "files": {"run.yaml": "name: demo\n"},
            "sinks": lambda index: from_worker(self.events.append, index),
        }
        return JobRequest(**(fields | changes))

    def do(self, each_poll: Callable[[], None] = lambda: None, **changes: Any) -> None:
        self.jobs.run(self.request(**changes), each_poll)


MakeDriver = Callable[..., Driver]


@pytest.fixture
def owner(cluster: Cluster) -> Object:
    """What stands for the pipeline Job."""
    body = {"metadata": {"name": f"owner-{uuid.uuid4().hex[:8]}"}, "data": {}}
    created = cluster.create("configmaps", body)
    assert created is not None
    return owner_of(created)


@pytest.fixture
def make_driver(cluster: Cluster, owner: Object) -> MakeDriver:
    def make(spec: Object, run: str = "", **settings: Any) -> Driver:
        name = run or f"r{uuid.uuid4().hex[:6]}"
        templates = Templates("t", {"worker-job.yaml": job_template(spec)})
        limits = KubernetesSettings(
            release="sa", **{"scheduling_timeout_s": 4, "trouble_timeout_s": 4, **settings}
        )
        notes: list[str] = []
        jobs = Jobs(
            cluster, limits, name, templates, owner, lambda *said: notes.append(": ".join(said))
        )
        return Driver(jobs, name, notes)

    return make


def eventually(check: Callable[[], bool], within_s: float = 30.0) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if check():
            return True
        time.sleep(0.3)
    return False
