"""The executor on a release that is made of templates alone: what reaches the pods, who speaks."""

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from integration.kubernetes.conftest import eventually, job_template, pod_spec
from selfalign.errors import ConfigError
from selfalign.pipeline.executors.kubernetes.cluster import Cluster
from selfalign.pipeline.executors.kubernetes.executor import KubernetesExecutor
from selfalign.pipeline.load import parse_run_config
from selfalign.pipeline.run import Run, create_or_resume
from selfalign.pipeline.stages.training import training_settings
from selfalign.pipeline.worker import Assignment
from selfalign.storage.manifest import Manifest, write_manifest
from selfalign.storage.open import open_store

pytestmark = pytest.mark.kind

# Prints the file that the pod was given, as the event of the pod with its number.
TELL = """
import json, os, sys
event = {"event": "file", "index": os.environ["JOB_COMPLETION_INDEX"]}
print(json.dumps(event | {"text": open(sys.argv[1]).read(), "arguments": sys.argv[2:]}), flush=True)
"""
SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: '${NAME}'}\nspec: {clusterIP: None}\n"


def template(*arguments: str, **changes: Any) -> str:
    command = ["python3", "-c", TELL, *arguments]
    return job_template(pod_spec("", container={"command": command, **changes}))


@pytest.fixture
def release(cluster: Cluster) -> str:
    """The ConfigMaps of a release, and a base engine that waits at 0."""
    name = f"r{uuid.uuid4().hex[:6]}"
    nproc = [{"name": "NPROC_PER_NODE", "value": "1"}]
    training = template("/etc/config/training.yaml", env=nproc)
    texts = {
        "worker-job.yaml": template("/etc/config/run.yaml", "${TARGET}", "of=${COUNT}"),
        "training-job.yaml": f"{SERVICE}---\n{training}",
    }
    run = "name: other\nstore: s\nprofile: small\nmodel: {base: owner/base}\n"
    for suffix, data in (("jobs", texts), ("run", {"run.yaml": run})):
        body = {"metadata": {"name": f"{name}-{suffix}"}, "data": data}
        assert cluster.create("configmaps", body) is not None
    labels = {"app": name}
    pod = pod_spec("true") | {"restartPolicy": "Always"}
    engine = {
        "metadata": {
            "name": f"{name}-engine-base",
            "annotations": {"selfalign.dev/weights": "owner/base"},
        },
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }
    assert cluster.create("deployments", engine) is not None
    return name


MakeExecutor = Callable[..., tuple[Run, KubernetesExecutor]]


@pytest.fixture
def make_executor(cluster: Cluster, release: str, tmp_path: Path) -> MakeExecutor:
    def make(
        text: str = "model: {base: owner/base}\n", release: str = release
    ) -> tuple[Run, KubernetesExecutor]:
        model = "" if "model:" in text else "model: {base: owner/base}\n"
        config = parse_run_config(
            f"name: demo-{uuid.uuid4().hex[:4]}\nstore: {tmp_path}\nprofile: small\n{model}{text}"
            "executor: {kind: kubernetes, "
            f"kubernetes: {{release: {release}, training_nodes: 2}}}}",
            "test",
        )
        run, _ = create_or_resume(open_store(config.store), config)
        return run, KubernetesExecutor(run, lambda *said: None, cluster)

    return make


def test_workers_get_the_run_and_their_share(cluster: Cluster, make_executor: MakeExecutor) -> None:
    run, executor = make_executor()
    events: list[dict[str, Any]] = []
    assignments = [Assignment(stage="topics", index=index, count=2) for index in range(2)]
    executor.run_workers(assignments, "dns:///there:1", events.append)
    assert sorted(event["worker"] for event in events) == [0, 1]
    for event in events:
        assert event["arguments"] == ["dns:///there:1", "of=2"]
        assert int(event["index"]) == event["worker"]
        values = yaml.safe_load(event["text"])
        assert values["name"] == run.name
        assert "executor" not in values
    executor.close()
    assert eventually(lambda: not cluster.find("jobs", labels=f"selfalign.dev/run={run.name}"))


def test_training_pods_get_the_job_and_rank_0_speaks(
    cluster: Cluster, make_executor: MakeExecutor, release: str
) -> None:
    run, executor = make_executor()
    settings = training_settings(run, "engrave", {"digest": "d"})
    executor.check_training(settings)
    events: list[dict[str, Any]] = []
    executor.train("engrave", settings, events.append)
    (event,) = events
    assert event["index"] == "0"
    values = yaml.safe_load(event["text"])
    assert values["base_model"] == "/weights/base"
    assert values["work_dir"] == "/work"
    assert values["fingerprint"] == {"digest": "d"}
    assert cluster.get("services", f"{release}-{run.name}-engrave-1") is not None
    write_manifest(run.store, run.prefix("engrave"), Manifest(stage="engrave"))
    executor.train("engrave", settings, events.append)
    assert len(events) == 1
    executor.close()


def test_training_settings_are_checked_against_the_ranks_of_all_pods(
    make_executor: MakeExecutor,
) -> None:
    run, executor = make_executor()
    settings = training_settings(run, "engrave", {})
    batches = {"global_batch_size": 7, "micro_batch_size": 1}
    with pytest.raises(ConfigError, match="global_batch_size"):
        executor.check_training(settings | batches)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("align: {temperature: 0.25}\n", r"align\.temperature: .* there, 0\.25 asked for"),
        ("refine: {max_new_tokens: 9}\n", r"refine\.max_new_tokens: .* there, 9 asked for"),
        ("model: {base: owner/other}\n", r"'owner/other', but .* serves 'owner/base'"),
    ],
)
def test_a_release_that_does_other_work_is_refused_at_once(
    text: str, message: str, make_executor: MakeExecutor
) -> None:
    with pytest.raises(ConfigError, match=message):
        make_executor(text)


def test_a_release_that_is_not_there_is_refused(make_executor: MakeExecutor, release: str) -> None:
    with pytest.raises(ConfigError, match="has no ConfigMap 'no-such-jobs'"):
        make_executor(release="no-such")
