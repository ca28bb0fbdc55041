"""Each trouble is named in Kubernetes' words with a remedy; what is no trouble is left alone."""

import pytest

from selfalign.errors import (
    ConfigError,
    EngineUnavailable,
    SelfAlignError,
    StageError,
    StoreError,
    TooManyFailures,
)
from selfalign.pipeline.executors.kubernetes.diagnosis import (
    Trouble,
    controller_troubles,
    endings,
    evicted,
    pod_troubles,
    root_ending,
)
from selfalign.pipeline.executors.kubernetes.patience import Patience
from selfalign.pipeline.executors.kubernetes.watch import newest
from selfalign.pipeline.run.config import KubernetesSettings
from support.kubernetes_objects import Object, event, failed, pod, unscheduled, waiting

NO_GPU = (
    "0/3 nodes are available: 3 Insufficient nvidia.com/gpu. preemption: 0/3 nodes are available"
)


@pytest.mark.parametrize(
    ("made", "events", "kind", "text", "remedy", "patience"),
    [
        (
            unscheduled(NO_GPU),
            [],
            "unschedulable",
            "Insufficient nvidia.com/gpu",
            "so many free GPUs",
            "scheduling",
        ),
        (
            unscheduled("0/3 nodes are available: 3 Insufficient memory."),
            [],
            "unschedulable",
            "Insufficient memory",
            "lower the requests",
            "scheduling",
        ),
        (
            unscheduled('persistentvolumeclaim "weights" not found'),
            [],
            "unschedulable",
            '"weights" not found',
            "create the claim",
            "scheduling",
        ),
        (
            unscheduled("", reason="SchedulingGated"),
            [],
            "gated",
            "held back",
            "scheduling gates",
            "unlimited",
        ),
        (
            waiting("ImagePullBackOff", 'Back-off pulling image "x"'),
            [],
            "image",
            "Back-off pulling",
            "selfalign/services:0.1.0",
            "trouble",
        ),
        (
            waiting("ErrImageNeverPull"),
            [],
            "image",
            "worker: ErrImageNeverPull",
            "pull secret",
            "trouble",
        ),
        (
            waiting("CreateContainerConfigError", 'secret "store" not found'),
            [],
            "config",
            'secret "store" not found',
            "create the secret",
            "trouble",
        ),
        (
            waiting("CreateContainerConfigError", 'secret "store" not found', init=True),
            [],
            "config",
            "weights: ",
            "create the secret",
            "trouble",
        ),
        (
            waiting("ContainerCreating"),
            [event("Scheduled", "on n1"), event("FailedMount", 'configmap "c" not found', at=2)],
            "mount",
            'configmap "c" not found',
            "create what is missing",
            "trouble",
        ),
    ],
)
def test_troubles_of_pods(
    made: Object, events: list[Object], kind: str, text: str, remedy: str, patience: str
) -> None:
    (trouble,) = pod_troubles([made], events)
    assert (trouble.kind, trouble.patience) == (kind, patience)
    assert text in trouble.text
    assert remedy in trouble.remedy
    assert trouble.describe().startswith("job-0-abcde: ")


@pytest.mark.parametrize(
    ("made", "events"),
    [
        (
            pod(phase="Running", containerStatuses=[{"name": "worker", "state": {"running": {}}}]),
            [],
        ),
        (waiting("ContainerCreating"), []),
        (waiting("PodInitializing"), []),
        # The mount failed once and was overcome: the image is being pulled.
        (waiting("ContainerCreating"), [event("FailedMount", "m"), event("Pulling", "p", at=2)]),
        (waiting("ContainerCreating"), [event("FailedMount", "m", about="another-pod")]),
        (failed(1), []),
    ],
)
def test_what_is_no_trouble(made: Object, events: list[Object]) -> None:
    assert pod_troubles([made], events) == []


@pytest.mark.parametrize(
    ("state", "restarts", "text"),
    [
        ({"waiting": {"reason": "CrashLoopBackOff"}}, 3, "worker ended with exit code 1 and is"),
        # An init container that waits for its next start, as Kubernetes 1.37 tells it.
        ({"terminated": {"exitCode": 1}}, 1, "worker ended with exit code 1 and is"),
        ({"terminated": {"exitCode": 1}}, 0, ""),
        ({"terminated": {"exitCode": 0}}, 1, ""),
        ({"running": {}}, 1, ""),
    ],
)
def test_containers_that_crash(state: Object, restarts: int, text: str) -> None:
    last = {"terminated": {"exitCode": 1, "reason": "Error"}}
    status = {"name": "worker", "state": state, "lastState": last, "restartCount": restarts}
    found = pod_troubles([pod(containerStatuses=[status])], [])
    assert [trouble.kind for trouble in found] == (["crash"] if text else [])
    assert all(text in trouble.text for trouble in found)


def test_pods_with_the_same_trouble_are_told_of_together() -> None:
    pods = [unscheduled(NO_GPU) for _ in range(5)]
    for number, made in enumerate(pods):
        made["metadata"]["name"] = f"job-{number}"
    (trouble,) = pod_troubles(pods, [])
    assert trouble.describe().startswith("job-0, job-1, job-2 …: waits for a node: 0/3 nodes")


@pytest.mark.parametrize(
    ("message", "kind", "patience"),
    [
        ('pods "a" is forbidden: exceeded quota: gpus, requested: 1', "quota", "scheduling"),
        ('pods "a" is forbidden: violates PodSecurity "restricted:latest"', "security", "trouble"),
        ("admission webhook denied the request", "refused", "trouble"),
    ],
)
def test_pods_that_the_cluster_refuses(message: str, kind: str, patience: str) -> None:
    events = [event("FailedCreate", "older", at=1), event("FailedCreate", message, at=2)]
    (trouble,) = controller_troubles(events, ())
    assert (trouble.kind, trouble.patience, trouble.text) == (kind, patience, message)
    condition = {"type": "ReplicaFailure", "status": "True", "message": message}
    assert controller_troubles((), [condition]) == [trouble]
    assert controller_troubles((), [condition | {"status": "False"}]) == []


@pytest.mark.parametrize(
    ("pods", "error", "text"),
    [
        ([failed(64)], ConfigError, "exit code 64"),
        ([failed(75)], TooManyFailures, "exit code 75"),
        ([failed(2)], ConfigError, "do the images have the chart's version"),
        ([failed(74)], StoreError, "exit code 74"),
        ([failed(69)], EngineUnavailable, "exit code 69"),
        ([failed(1)], StageError, "exit code 1"),
        ([failed(137, "OOMKilled")], StageError, "memory limit"),
        ([failed(137)], StageError, "SIGKILL"),
        ([failed(143)], StageError, "SIGTERM"),
        # The rank that knows its fault counts more than those that lost the connection to it.
        ([failed(64, at=1), failed(1, name="b", index=1, at=2)], ConfigError, "64"),
        (
            [failed(137, "OOMKilled", at=1), failed(1, name="b", index=1, at=2)],
            StageError,
            "memory",
        ),
        # An earlier life of the same index was overcome.
        ([failed(74, at=1), failed(137, "OOMKilled", name="b", at=2)], StageError, "memory"),
    ],
)
def test_exit_codes_become_errors(
    pods: list[Object], error: type[SelfAlignError], text: str
) -> None:
    ending = root_ending(endings(newest(pods)))
    assert ending is not None
    assert ending.error_type() is error
    assert text in ending.describe()


def test_a_pod_that_was_evicted_says_so() -> None:
    made = pod(phase="Failed", reason="Evicted", message="The node was low on resource: memory.")
    assert root_ending(endings([made])) is None
    assert evicted([pod(), made]) == "job-0-abcde: Evicted: The node was low on resource: memory."
    assert evicted([pod()]) == ""


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def trouble(kind: str = "image", patience: str = "trouble", text: str = "t") -> Trouble:
    return Trouble(kind, text, "do this", patience)  # type: ignore[arg-type]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def told() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def patience(clock: Clock, told: list[tuple[str, str]]) -> Patience:
    settings = KubernetesSettings(scheduling_timeout_s=100, trouble_timeout_s=10)
    return Patience("Job j", settings, lambda *said: told.append(said), clock=clock)


def test_a_trouble_is_told_once_and_ends_at_its_limit(
    patience: Patience, clock: Clock, told: list[tuple[str, str]]
) -> None:
    for clock.now in (0.0, 5.0, 10.0):
        patience.look([trouble()])
    assert told == [("Job j", "t; do this")]
    clock.now = 10.1
    with pytest.raises(StageError, match=r"gave up after 10 s \(.*trouble_timeout_s\): t; do this"):
        patience.look([trouble()])


def test_a_trouble_that_passed_starts_anew(patience: Patience, clock: Clock) -> None:
    there = [trouble()]
    for clock.now, troubles in ((0.0, there), (9.0, []), (70.0, there), (80.0, there)):
        patience.look(troubles)


def test_a_container_that_crashes_again_and_again_has_one_limit(
    patience: Patience, clock: Clock
) -> None:
    for clock.now, troubles in ((0.0, [trouble("crash")]), (9.0, [])):
        patience.look(troubles)
    clock.now = 11.0
    with pytest.raises(StageError, match="gave up after 10 s"):
        patience.look([trouble("crash")])


def test_waiting_for_a_node_is_fine_while_others_work(patience: Patience, clock: Clock) -> None:
    waits = trouble("unschedulable", "scheduling")
    for clock.now in (0.0, 99.0, 300.0):
        patience.look([waits], waiting_is_fine=True)
    for clock.now in (350.0, 400.0):
        patience.look([waits])
    clock.now = 401.0
    with pytest.raises(StageError, match="scheduling_timeout_s"):
        patience.look([waits])


def test_a_queue_may_take_as_long_as_it_likes(patience: Patience, clock: Clock) -> None:
    for clock.now in (0.0, 1e6):
        patience.look([trouble("gated", "unlimited")])
