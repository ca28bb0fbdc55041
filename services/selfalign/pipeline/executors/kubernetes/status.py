"""What a run has in the cluster now: Jobs, their pods, and what keeps them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from selfalign.pipeline.executors.kubernetes.cluster import Cluster, Object
from selfalign.pipeline.executors.kubernetes.diagnosis import (
    controller_troubles,
    endings,
    pod_troubles,
)
from selfalign.pipeline.executors.kubernetes.templates import RUN, STAGE
from selfalign.pipeline.executors.kubernetes.watch import finished, of_job


@dataclass(frozen=True, slots=True)
class JobStatus:
    """One Job of a run."""

    name: str
    stage: str
    """Empty for the runner's own Job."""
    state: str
    """running, suspended, complete or failed."""
    active: int
    succeeded: int
    failed: int
    wanted: int
    since: str
    pods: tuple[str, ...]
    """name (node): phase, of each pod."""
    troubles: tuple[str, ...]


def run_status(cluster: Cluster, run: str) -> list[JobStatus]:
    """The Jobs of a run, the oldest first.

    Raises:
        ConfigError: no rights to list them.
        StageError: the cluster does not answer.
    """
    jobs = cluster.find("jobs", labels=f"{RUN}={run}")
    pods = cluster.find("pods", labels=f"{RUN}={run}")
    events = cluster.find("events") if jobs else []
    found = [_status(job, pods, events) for job in jobs]
    return sorted(found, key=lambda status: status.since)


def _status(job: Object, pods: Sequence[Object], events: Sequence[Object]) -> JobStatus:
    metadata, status = job["metadata"], job.get("status", {})
    name = metadata["name"]
    mine = [pod for pod in pods if _job_of(pod) == name]
    ended = finished(job)
    state = (ended or ("suspended" if job["spec"].get("suspend") else "running")).lower()
    return JobStatus(
        name=name,
        stage=metadata.get("labels", {}).get(STAGE, ""),
        state=state,
        active=status.get("active", 0),
        succeeded=status.get("succeeded", 0),
        failed=status.get("failed", 0),
        wanted=job["spec"].get("completions", 1),
        since=metadata.get("creationTimestamp", ""),
        pods=tuple(_pod_line(pod) for pod in mine),
        troubles=() if ended == "Complete" else tuple(_troubles(name, mine, events)),
    )


def _troubles(name: str, pods: Sequence[Object], events: Sequence[Object]) -> Iterator[str]:
    for trouble in pod_troubles(pods, events):
        yield trouble.describe()
    if not pods:
        about = [event for event in events if of_job(event, name)]
        yield from (trouble.describe() for trouble in controller_troubles(about, ()))
    for ending in endings(pods):
        yield f"{ending.pod}: {ending.container} {ending.describe()}"


def _pod_line(pod: Object) -> str:
    node = pod.get("spec", {}).get("nodeName", "no node")
    return f"{pod['metadata']['name']} ({node}): {pod.get('status', {}).get('phase', 'Unknown')}"


def _job_of(pod: Object) -> str:
    return str(pod["metadata"].get("labels", {}).get("batch.kubernetes.io/job-name", ""))
