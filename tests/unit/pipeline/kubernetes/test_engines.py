"""What an engine's Deployment is, says and needs; what a rollout waits for."""

from typing import Any

import pytest

from selfalign.errors import ConfigError
from selfalign.pipeline.executors.kubernetes.engines import (
    REPLICAS,
    WEIGHTS,
    Served,
    check_base,
    check_weights_container,
    deployment_role,
    serving_replicas,
    weights_of,
    weights_patch,
)
from selfalign.pipeline.executors.kubernetes.rollout import current_pods, describe, is_up
from support.kubernetes_objects import Object, pod, unscheduled, waiting


def deployment(
    replicas: int = 1,
    status: Object | None = None,
    annotations: dict[str, str] | None = None,
) -> Object:
    weights = {"name": "weights", "env": [{"name": "SELFALIGN_WEIGHTS", "value": "s3://b/old"}]}
    return {
        "metadata": {"name": "e", "generation": 2, "annotations": annotations or {}},
        "spec": {
            "replicas": replicas,
            "template": {"spec": {"initContainers": [weights], "containers": [{"name": "engine"}]}},
        },
        "status": status or {},
    }


def test_final_weights_are_served_where_engraved_ones_were() -> None:
    assert [deployment_role(role) for role in ("base", "engraved", "final")] == [
        "base",
        "engraved",
        "engraved",
    ]


def test_weights_are_changed_in_one_patch() -> None:
    found = deployment()
    check_weights_container(found)
    assert weights_of(found) == "s3://b/old"
    patch = weights_patch(Served("s3://b/new", 2))
    assert patch["spec"]["replicas"] == 2
    assert weights_of({**found, "spec": patch["spec"]}) == "s3://b/new"
    assert patch["metadata"]["annotations"] == {WEIGHTS: "s3://b/new"}


def test_an_engine_that_fetches_no_weights_is_refused() -> None:
    found = deployment()
    found["spec"]["template"]["spec"]["initContainers"] = []
    with pytest.raises(ConfigError, match=r"has no init container 'weights'.*found none"):
        check_weights_container(found)


@pytest.mark.parametrize(
    ("replicas", "noted", "expected"),
    [(3, None, 3), (0, "4", 4), (0, None, 1), (0, "0", 1), (2, "4", 2)],
)
def test_replicas_while_serving(replicas: int, noted: str | None, expected: int) -> None:
    annotations = {} if noted is None else {REPLICAS: noted}
    assert serving_replicas(deployment(replicas, annotations=annotations)) == expected


def test_the_base_model_must_be_the_releases() -> None:
    check_base(deployment(annotations={WEIGHTS: "owner/base"}), "owner/base")
    check_base(deployment(), "owner/base")
    with pytest.raises(ConfigError, match="'other', but Deployment e serves 'owner/base'"):
        check_base(deployment(annotations={WEIGHTS: "owner/base"}), "other")


READY: dict[str, Any] = {
    "observedGeneration": 2,
    "replicas": 3,
    "updatedReplicas": 3,
    "availableReplicas": 3,
}


@pytest.mark.parametrize(
    ("replicas", "status", "expected"),
    [
        (3, READY, True),
        (3, READY | {"availableReplicas": 1}, True),
        (3, READY | {"availableReplicas": 0}, False),
        (3, {}, False),
        (3, READY | {"observedGeneration": 1}, False),
        (3, READY | {"updatedReplicas": 2}, False),
        (0, {"observedGeneration": 2}, False),
        (0, READY, False),
    ],
)
def test_when_a_deployment_is_up(replicas: int, status: dict[str, Any], expected: bool) -> None:
    assert is_up(deployment(replicas, status)) is expected


@pytest.mark.parametrize(
    ("pods", "said"),
    [
        ([], "waiting for a pod"),
        ([unscheduled("no room")], "waiting for a node"),
        ([waiting("PodInitializing", init=True)], "init container weights: PodInitializing"),
        ([waiting("ContainerCreating")], "container worker: pulling the image, mounting volumes"),
        ([waiting("ImagePullBackOff")], "container worker: ImagePullBackOff"),
        ([pod(containerStatuses=[{"name": "w", "state": {"running": {}}}])], "started; waiting"),
        (
            [pod(initContainerStatuses=[{"name": "weights", "state": {"running": {}}}])],
            "init container weights runs",
        ),
    ],
)
def test_what_a_rollout_says(pods: list[Object], said: str) -> None:
    for made in pods:
        if said == "waiting for a node":
            del made["spec"]["nodeName"]
    assert describe(pods).startswith(said)


def test_pods_on_their_way_out_do_not_count() -> None:
    leaving = pod("leaving")
    leaving["metadata"]["deletionTimestamp"] = "2026-11-24T10:00:00Z"
    assert current_pods([leaving, pod("done", phase="Succeeded"), pod("here")]) == [pod("here")]
