"""Jobs on a real cluster: events, errors, troubles, and runners that come and go."""

from typing import Any

import pytest

from integration.kubernetes.conftest import MakeDriver, eventually, pod_spec
from selfalign.errors import ConfigError, SelfAlignError, StageError, TooManyFailures
from selfalign.events import Rows, Step
from selfalign.pipeline.executors.kubernetes.cluster import Cluster, Object
from selfalign.pipeline.executors.kubernetes.templates import DIGEST

pytestmark = pytest.mark.kind

SPEAK = """
echo "{\\"event\\": \\"rows\\", \\"accepted\\": $JOB_COMPLETION_INDEX}"
echo trouble >&2
cat /etc/config/run.yaml
"""
STAY = 'echo \'{"event": "rows", "accepted": 1}\'; exec sleep 600'


def test_workers_tell_their_events_and_leave_nothing_behind(
    cluster: Cluster, make_driver: MakeDriver, owner: Object
) -> None:
    driver = make_driver(pod_spec(SPEAK))
    driver.do(count=2)
    name = f"sa-{driver.run}-align-1"
    events = [event for event in driver.events if isinstance(event, Rows)]
    assert len(events) == len(driver.events)
    events.sort(key=lambda event: event.worker)
    assert events == [Rows(accepted=0, worker=0), Rows(accepted=1, worker=1)]
    job = cluster.get("jobs", name)
    assert job is not None
    assert job["metadata"]["ownerReferences"][0]["uid"] == owner["uid"]
    assert job["metadata"]["labels"]["selfalign.dev/run"] == driver.run
    driver.jobs.clean_up(stop_active=False)
    assert eventually(lambda: cluster.get("jobs", name) is None)
    assert eventually(lambda: cluster.get("configmaps", name) is None)


@pytest.mark.parametrize(
    ("script", "container", "error", "message"),
    [
        ("echo 'field x: wrong' >&2; exit 64", {}, ConfigError, "exit code 64.*\n.*field x: wrong"),
        ("exit 75", {}, TooManyFailures, "exit code 75"),
        ("echo no; exit 3", {}, StageError, "exit code 3; its log:\nno"),
        (
            "exec tail /dev/zero",
            {"resources": {"limits": {"memory": "16Mi"}}},
            StageError,
            "exceeding its memory limit",
        ),
    ],
)
def test_exit_codes_become_errors_that_quote_the_log(
    script: str,
    container: dict[str, Any],
    error: type[SelfAlignError],
    message: str,
    cluster: Cluster,
    make_driver: MakeDriver,
) -> None:
    driver = make_driver(pod_spec(script, container=container))
    with pytest.raises(SelfAlignError, match=message) as caught:
        driver.do()
    assert type(caught.value) is error
    # It stays with its logs; the next run replaces it.
    assert cluster.get("jobs", f"sa-{driver.run}-align-1") is not None


SECRET = {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "no-such", "key": "k"}}}
TROUBLES = [
    (
        pod_spec("true", container={"resources": {"limits": {"nvidia.com/gpu": "1"}}}),
        "Insufficient nvidia.com/gpu.*; no node has so many free GPUs",
        "scheduling_timeout_s",
    ),
    (
        pod_spec("true", container={"resources": {"requests": {"memory": "900Gi"}}}),
        "Insufficient memory.*; free or add nodes",
        "scheduling_timeout_s",
    ),
    (
        pod_spec("true", container={"image": "no-such.invalid/image:1"}),
        "main: (ErrImagePull|ImagePullBackOff).*check the image no-such.invalid/image:1",
        "trouble_timeout_s",
    ),
    (
        pod_spec("true", container={"env": [SECRET]}),
        'secret "no-such" not found; create the secret',
        "trouble_timeout_s",
    ),
    (
        pod_spec("true", volumes=[{"name": "config", "secret": {"secretName": "no-such"}}]),
        'MountVolume.* secret "no-such" not found; create what is missing',
        "trouble_timeout_s",
    ),
]


@pytest.mark.parametrize(("spec", "message", "limit"), TROUBLES)
def test_what_keeps_pods_from_running_is_told_and_has_a_limit(
    spec: Object, message: str, limit: str, make_driver: MakeDriver
) -> None:
    driver = make_driver(spec)
    with pytest.raises(StageError, match=rf"(?s)gave up after 4 s \(.*{limit}\).*{message}"):
        driver.do()
    assert any(note.startswith("Job sa-") for note in driver.notes)
    driver.jobs.clean_up(stop_active=True)


def test_quota_is_told(cluster: Cluster, make_driver: MakeDriver) -> None:
    from kubernetes import client

    quotas = client.CoreV1Api(cluster.api)
    metadata = client.V1ObjectMeta(name="none")
    spec = client.V1ResourceQuotaSpec(hard={"pods": "0"})
    quotas.create_namespaced_resource_quota(
        cluster.namespace, client.V1ResourceQuota(metadata=metadata, spec=spec)
    )
    try:
        driver = make_driver(pod_spec("true"))
        with pytest.raises(StageError, match=r"exceeded quota: none.*; free some of the quota"):
            driver.do()
        driver.jobs.clean_up(stop_active=True)
    finally:
        quotas.delete_namespaced_resource_quota("none", cluster.namespace)


class RunnerKilled(BaseException):
    """Stands for the end of the runner's process at any point."""


def start_and_die(driver: Any, **changes: Any) -> None:
    """A runner that is gone once its Job speaks."""

    def die() -> None:
        if driver.events:
            raise RunnerKilled

    with pytest.raises(RunnerKilled):
        driver.do(die, **changes)


def uid(cluster: Cluster, name: str) -> str:
    job = cluster.get("jobs", name)
    assert job is not None
    return str(job["metadata"]["uid"])


def test_the_next_runner_adopts_the_job_that_does_the_same_work(
    cluster: Cluster, make_driver: MakeDriver
) -> None:
    first = make_driver(pod_spec(STAY))
    start_and_die(first)
    name = f"sa-{first.run}-align-1"
    before = uid(cluster, name)
    # Killed between the Job and its ConfigMap: the next one makes good for it.
    cluster.delete("configmaps", name)
    second = make_driver(pod_spec(STAY), run=first.run)
    start_and_die(second)
    assert uid(cluster, name) == before
    assert any("runs already; following it" in note for note in second.notes)
    assert second.events == first.events
    assert cluster.get("configmaps", name) is not None
    second.jobs.clean_up(stop_active=False)
    assert uid(cluster, name) == before

    other = make_driver(pod_spec(STAY), run=first.run)
    start_and_die(other, digest="other work")
    assert uid(cluster, name) != before
    job = cluster.get("jobs", name)
    assert job is not None
    assert job["metadata"]["annotations"][DIGEST] == "other work"

    # A later attempt must not run beside an earlier one.
    later = make_driver(pod_spec(SPEAK), run=first.run)
    later.do(attempt=2)
    assert cluster.get("jobs", name) is None
    later.jobs.clean_up(stop_active=True)


def test_a_failed_job_is_made_again(cluster: Cluster, make_driver: MakeDriver) -> None:
    first = make_driver(pod_spec("exit 3"))
    with pytest.raises(StageError):
        first.do()
    before = uid(cluster, f"sa-{first.run}-align-1")
    second = make_driver(pod_spec(SPEAK), run=first.run)
    second.do()
    assert uid(cluster, f"sa-{first.run}-align-1") != before
    second.jobs.clean_up(stop_active=False)


def test_a_job_that_somebody_deletes_is_made_again(
    cluster: Cluster, make_driver: MakeDriver
) -> None:
    driver = make_driver(pod_spec(SPEAK + "sleep 3"))
    name, deleted = f"sa-{driver.run}-align-1", list[str]()

    def delete() -> None:
        if driver.events and not deleted:
            deleted.append(name)
            cluster.delete("jobs", name)

    driver.do(delete)
    assert any("was deleted by somebody" in note for note in driver.notes)
    assert len(driver.events) == 2
    driver.jobs.clean_up(stop_active=False)


def test_a_log_is_followed_across_broken_connections(
    make_driver: MakeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("selfalign.pipeline.executors.kubernetes.cluster.LOG_IDLE_S", 1.0)
    line = 'echo "{\\"event\\": \\"step\\", \\"step\\": %d, \\"steps\\": 3}"'
    driver = make_driver(pod_spec(f"{line % 1}; sleep 4; {line % 2}; {line % 3}"))
    driver.do()
    assert driver.events == [Step(step=step, steps=3) for step in (1, 2, 3)]
    driver.jobs.clean_up(stop_active=False)


def test_a_stage_has_a_limit(make_driver: MakeDriver) -> None:
    driver = make_driver(pod_spec(STAY), stage_timeout_s=3)
    with pytest.raises(StageError, match=r"has not ended after 3 s \(.*stage_timeout_s\)"):
        driver.do()
    driver.jobs.clean_up(stop_active=True)
