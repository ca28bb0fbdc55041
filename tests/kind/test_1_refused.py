"""What must not work, and what a person is told."""

import subprocess

import pytest
import yaml

from support.cluster import Cluster, CommandFailed, run, wait_for
from support.kind_release import CHART, VALUES, new_namespace, tell

VALUES_FILES = sorted(path.name for path in CHART.glob("values*.yaml"))


@pytest.fixture(scope="module")
def refused() -> Cluster:
    """A release that wants a Secret that is not there, and GPUs on nodes that have none."""
    cluster = new_namespace("selfalign-refused")
    wanted = (
        *("--set", "embeddedStore.enabled=false"),
        *("--set", "objectStorage.existingSecret=no-such-secret"),
        *("--set", "inference.engine=tgi"),
        *("--set", "inference.base.gpus=1", "--set", "inference.engraved.gpus=1"),
        *("--set", "tls.enabled=false", "--set", "auth.tokenSecret.name="),
    )
    cluster.helm("install", "selfalign", str(CHART), *VALUES, *wanted)
    return cluster


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("services.replicas=-1", "/services/replicas"),
        ("inference.engin=vllm", "engin"),
        ("objectStorage.url=ftp://bucket", "/objectStorage/url"),
        ("inference.engine=ollama", "/inference/engine"),
    ],
)
def test_values_that_the_schema_refuses(setting: str, told: str) -> None:
    with pytest.raises(CommandFailed, match="values don't meet the specifications") as refusal:
        run("helm", "install", "selfalign", str(CHART), *VALUES, "--set", setting)
    assert told in str(refusal.value)


@pytest.mark.parametrize("name", VALUES_FILES)
def test_the_api_server_takes_every_values_file(name: str, refused: Cluster) -> None:
    text = refused.helm("template", "selfalign", str(CHART), "-f", str(CHART / name))
    served = run("kubectl", "api-versions").split()
    objects = [found for found in yaml.safe_load_all(text) if found]
    known = [found for found in objects if found["apiVersion"] in served]
    left_out = sorted({found["kind"] for found in objects if found not in known})
    said = refused.kubectl(
        *("apply", "--dry-run=server", "-f", "-"), stdin=yaml.safe_dump_all(known)
    )
    assert len(said.splitlines()) == len(known)
    tell(f"{name}: {len(known)} objects taken; no API here for {', '.join(left_out) or 'none'}")


def test_a_secret_that_is_missing(refused: Cluster) -> None:
    # The services need no store; what reads the bucket does.
    with pytest.raises(CommandFailed):
        refused.helm("test", "selfalign", "--filter", "name=selfalign-test-bucket", "--timeout=20s")
    told = wait_for("the missing Secret is told", lambda: _bucket_problem(refused), 60)
    assert "no-such-secret" in told
    tell(f"missing secret: {told}")


def _bucket_problem(cluster: Cluster) -> str:
    for pod in cluster.find("pods", "app.kubernetes.io/component=test"):
        for status in pod["status"].get("containerStatuses", []):
            waiting = status["state"].get("waiting", {})
            if waiting.get("reason") == "CreateContainerConfigError":
                return str(waiting["message"])
    return ""


def test_an_engine_without_a_gpu_node(refused: Cluster) -> None:
    def message() -> str:
        for pod in refused.find("pods", "app.kubernetes.io/component=engine-base"):
            for entry in pod["status"].get("conditions", []):
                if entry.get("reason") == "Unschedulable":
                    return str(entry["message"])
        return ""

    told = wait_for("the engine is unschedulable", message, 60)
    assert "nvidia.com/gpu" in told
    tell(f"no GPU node: {told}")


def test_a_refused_release_leaves_nothing(refused: Cluster) -> None:
    refused.helm("uninstall", "selfalign", "--wait", "--timeout", "3m")
    subprocess.run(["kubectl", "delete", "namespace", refused.namespace], check=True, timeout=180)
