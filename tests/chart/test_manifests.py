"""Every object of every values file: Kubernetes' schemas, Pod Security, names and labels."""

import copy
from typing import Any

import pytest

from support.helm import (
    CHART,
    VALUES_FILES,
    containers,
    files,
    find,
    helm,
    needs_helm,
    pod_specs,
    render_file,
    submitted,
)
from support.kubernetes_schemas import VERSIONS, problems
from support.pod_security import violations

pytestmark = needs_helm


@pytest.mark.parametrize("name", VALUES_FILES)
def test_lint(name: str) -> None:
    done = helm("lint", "--strict", "--quiet", str(CHART), *files(name))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", VALUES_FILES)
def test_kubernetes_accepts_every_object(name: str, version: str) -> None:
    documents = render_file(name)
    for document in [*documents, *submitted(documents)]:
        assert problems(document, version) == []


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("spec", "replicaCount"), 1, "Deployment x.spec.replicaCount: unknown field"),
        (("spec", "replicas"), "2", "'2' is no integer"),
        (("spec", "template", "spec", "containers", 0, "port"), [], "unknown field"),
        (("spec", "selector"), None, "None is no object"),
    ],
)
def test_the_validator_finds_mistakes(path: tuple[Any, ...], value: Any, message: str) -> None:
    good = copy.deepcopy(find(render_file(), "Deployment", "selfalign-refiner"))
    good["metadata"]["name"] = "x"
    assert problems(good, "v1.37") == []
    *parents, last = path
    place = good
    for part in parents:
        place = place[part]
    place[last] = value
    assert any(message in problem for problem in problems(good, "v1.37"))


@pytest.mark.parametrize("name", VALUES_FILES)
def test_pods_are_restricted(name: str) -> None:
    found = {place: list(violations(spec)) for place, spec in pod_specs(render_file(name))}
    assert len(found) >= 11
    assert not any(found.values()), found


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hostNetwork": True}, "hostNetwork"),
        ({"securityContext": {}}, "runAsNonRoot is not true"),
        ({"volumes": [{"name": "docker", "hostPath": {"path": "/"}}]}, "volume docker: hostPath"),
        ({"containers": [{"name": "c", "resources": {}}]}, "capabilities are not dropped"),
    ],
)
def test_the_security_check_finds_violations(change: dict[str, Any], message: str) -> None:
    spec = dict(pod_specs(render_file()))["Deployment selfalign-refiner"]
    assert any(message in problem for problem in violations({**spec, **change}))


@pytest.mark.parametrize("name", VALUES_FILES)
def test_mounts_have_volumes_and_volumes_mounts(name: str) -> None:
    for place, spec in pod_specs(render_file(name)):
        volumes = [volume["name"] for volume in spec.get("volumes", [])]
        mounted = {mount["name"] for c in containers(spec) for mount in c.get("volumeMounts", [])}
        assert len(volumes) == len(set(volumes)), place
        assert mounted == set(volumes), place
        for container in containers(spec):
            paths = [mount["mountPath"] for mount in container.get("volumeMounts", [])]
            assert len(paths) == len(set(paths)), place


def test_labels_of_everything() -> None:
    for document in render_file():
        labels = document["metadata"]["labels"]
        assert labels["app.kubernetes.io/instance"] == "selfalign"
        assert labels["app.kubernetes.io/part-of"] == "selfalign"
        assert document["metadata"]["namespace"] == "default"


def test_rights_of_the_runner() -> None:
    documents = render_file()
    assert not [d for d in documents if d["kind"].startswith("ClusterRole")]
    rules = find(documents, "Role", "selfalign-runner")["rules"]
    rights = {(r, v) for rule in rules for r in rule["resources"] for v in rule["verbs"]}
    assert not [right for right in rights if "*" in right or right[0] == "secrets"]
    assert {("jobs", "create"), ("pods/log", "get"), ("deployments", "patch")} <= rights
    for place, spec in pod_specs(documents):
        runner = spec["serviceAccountName"] == "selfalign-runner"
        assert spec["automountServiceAccountToken"] is runner, place
        assert runner is ("pipeline" in place), place
