"""What needs other operators: KEDA, cert-manager, prometheus-operator, Kueue."""

from typing import Any

import pytest
import yaml

from support.helm import ROOT, find, needs_helm, render, submitted
from support.kubernetes_schemas import problems

pytestmark = needs_helm


@pytest.fixture(scope="module")
def everything() -> list[dict[str, Any]]:
    return render(
        {
            "tls": {"enabled": True, "mutual": True, "certManager": {"issuer": {"name": "ca"}}},
            "auth": {"tokenSecret": {"name": "tokens"}},
            "monitoring": {"monitors": {"enabled": True}, "rules": {"enabled": True}},
            "services": {"autoscaling": {"kind": "keda"}},
            "inference": {"autoscaling": {"enabled": True}},
            "jobs": {"queueName": "gpus"},
        }
    )


def test_their_schemas_accept_the_objects(everything: list[dict[str, Any]]) -> None:
    kinds = {document["kind"] for document in everything}
    assert {
        "Certificate",
        "PodMonitor",
        "ServiceMonitor",
        "PrometheusRule",
        "ScaledObject",
    } <= kinds
    for document in [*everything, *submitted(everything)]:
        assert problems(document, "v1.37") == []


def test_queue_manifests() -> None:
    for document in yaml.safe_load_all((ROOT / "k8s" / "queue.yaml").read_text()):
        assert problems(document, "v1.37") == []


def test_keda_asks_for_metrics_that_are_there(everything: list[dict[str, Any]]) -> None:
    engine = find(everything, "ScaledObject", "selfalign-engine-base")
    query = engine["spec"]["triggers"][0]["metadata"]["query"]
    assert "selfalign_engine_pending" in query
    assert "tgi_queue_size" in query
    assert "replicas" not in find(everything, "Deployment", "selfalign-engine-base")["spec"]
    assert "replicas" not in find(everything, "Deployment", "selfalign-refiner")["spec"]


def test_jobs_wait_in_their_queue(everything: list[dict[str, Any]]) -> None:
    queued = {
        document["metadata"]["labels"].get("kueue.x-k8s.io/queue-name")
        for document in submitted(everything)
        if document["kind"] == "Job" and "pipeline" not in document["metadata"]["name"]
    }
    assert queued == {"gpus"}
