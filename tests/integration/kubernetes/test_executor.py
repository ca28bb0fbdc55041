"""The executor on a release that is made of templates alone: what reaches the pods, who speaks."""

import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from integration.kubernetes.conftest import eventually, job_template, pod_spec
from selfalign.errors import ConfigError
from selfalign.events import Event, Note, Rows
from selfalign.pipeline.executors.kubernetes.cluster import Cluster
from selfalign.pipeline.executors.kubernetes.executor import KubernetesExecutor
from selfalign.pipeline.run.run import Run, create_or_resume
from selfalign.pipeline.run.run_file import parse_run_config
from selfalign.pipeline.stages import engrave
from selfalign.pipeline.units.assignment import WorkerGroup
from selfalign.storage.manifest import Manifest, write_manifest
from selfalign.storage.open import open_store

pytestmark = pytest.mark.kind

# Events of a pod: its number as a count of rows, then the file and the arguments that it was given.
TELL = """
import json, os, sys
index = int(os.environ["JOB_COMPLETION_INDEX"])
print(json.dumps({"event": "rows", "accepted": index}), flush=True)
given = {"text": open(sys.argv[1]).read(), "arguments": sys.argv[2:], "index": index}
print(json.dumps({"event": "note", "text": json.dumps(given)}), flush=True)
"""
SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: '${NAME}'}\nspec: {clusterIP: None}\n"


def given(events: list[Event]) -> list[dict[str, Any]]:
    """What the pods were given, as they say."""
    return [json.loads(event.text) for event in events if isinstance(event, Note)]


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
        return run, KubernetesExecutor(run, lambda event: None, cluster)

    return make


def test_workers_get_the_run_and_their_share(cluster: Cluster, make_executor: MakeExecutor) -> None:
    run, executor = make_executor()
    events: list[Event] = []
    group = WorkerGroup("topics", 2, 1, {"digest": "d"})
    executor.run_workers(group, "dns:///there:1", events.append)
    counts = [event for event in events if isinstance(event, Rows)]
    assert sorted(event.worker for event in counts) == [0, 1]
    assert all(event.accepted == event.worker for event in counts)
    files = given(events)
    assert len(files) == 2
    for file in files:
        assert file["arguments"] == ["dns:///there:1", "of=2"]
        values = yaml.safe_load(file["text"])
        assert values["name"] == run.name
        assert "executor" not in values
    executor.close()
    assert eventually(lambda: not cluster.find("jobs", labels=f"selfalign.dev/run={run.name}"))


def test_training_pods_get_the_job_and_rank_0_speaks(
    cluster: Cluster, make_executor: MakeExecutor, release: str
) -> None:
    run, executor = make_executor()
    settings = engrave.STAGE.job_settings(run, {"digest": "d"})
    executor.check_training(settings)
    events: list[Event] = []
    executor.train("engrave", settings, events.append)
    (file,) = given(events)
    assert file["index"] == 0
    values = yaml.safe_load(file["text"])
    assert values["base_model"] == "/weights/base"
    assert values["work_dir"] == "/work"
    assert values["fingerprint"] == {"digest": "d"}
    assert cluster.get("services", f"{release}-{run.name}-engrave-1") is not None
    write_manifest(run.store, run.prefix("engrave"), Manifest(stage="engrave"))
    executor.train("engrave", settings, events.append)
    assert len(given(events)) == 1
    executor.close()


def test_training_settings_are_checked_against_the_ranks_of_all_pods(
    make_executor: MakeExecutor,
) -> None:
    run, executor = make_executor()
    settings = engrave.STAGE.job_settings(run, {})
    batches = {"global_batch_size": 7, "micro_batch_size": 1}
    with pytest.raises(ConfigError, match="global_batch_size"):
        executor.check_training(settings | batches)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "align: {sampling: {temperature: 0.25}}\n",
            r"align\.sampling\.temp.* there, 0\.25 asked for",
        ),
        (
            "refine: {sampling: {max_new_tokens: 9}}\n",
            r"refine\.sampling\.max_.* there, 9 asked for",
        ),
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
