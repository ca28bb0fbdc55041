"""The training Job by itself: `kubectl create -f training-job.yaml`."""

import json

from support.cluster import condition, wait_for
from support.kind_release import Release, tell

JOB = "selfalign-training"


def test_training_alone(release: Release) -> None:
    cluster = release.cluster
    cluster.kubectl("create", "-f", str(release.jobs / "training-job.yaml"))

    def ended() -> bool:
        job = cluster.get("job", JOB)
        assert not condition(job, "Failed"), cluster.kubectl("logs", f"job/{JOB}", "--tail=15")
        return condition(job, "Complete")

    wait_for("the training is complete", ended, 600, pause=2)
    pods = cluster.find("pods", f"batch.kubernetes.io/job-name={JOB}")
    nodes = {pod["spec"]["nodeName"] for pod in pods}
    assert (len(pods), len(nodes)) == (2, 2)
    with release.store() as environment:
        manifest = read_manifest(environment)
    tell(f"training alone: 2 pods on 2 nodes, {manifest['details']['steps']} steps")
    cluster.kubectl("delete", "-f", str(release.jobs / "training-job.yaml"))


def read_manifest(environment: dict[str, str]) -> dict[str, dict[str, int]]:
    import pytest

    from selfalign.storage.open import open_store

    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        found: dict[str, dict[str, int]] = json.loads(
            open_store("s3://selfalign/runs").get("alone/engrave/manifest.json")
        )
    return found
