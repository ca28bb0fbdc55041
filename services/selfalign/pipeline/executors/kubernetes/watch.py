"""Watching one Job: its events handed on, its troubles reported, its end explained."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from selfalign.errors import SelfAlignError, StageError
from selfalign.events import EventSink
from selfalign.pipeline.executors.kubernetes.cluster import Cluster, Object
from selfalign.pipeline.executors.kubernetes.diagnosis import (
    Trouble,
    controller_troubles,
    endings,
    evicted,
    pod_troubles,
    root_ending,
)
from selfalign.pipeline.executors.kubernetes.log_follower import LogFollower, quoted_tail
from selfalign.pipeline.executors.kubernetes.patience import Notify, Patience
from selfalign.pipeline.executors.kubernetes.templates import TemplateName
from selfalign.pipeline.run.config import KubernetesSettings

POLL_S = 1.0
EVENTS_EVERY_S = 5.0


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A Job that a stage needs."""

    template: TemplateName
    stage: str
    attempt: int
    count: int
    """Completions, which is also the parallelism."""
    digest: str
    """Of what the Job does: a running one with the same digest is adopted."""
    files: Mapping[str, str]
    """The ConfigMap's content."""
    sinks: Callable[[int], EventSink | None]
    """Who hears the events of a pod, by completion index; None leaves its log unread."""
    values: Mapping[str, str | int] = field(default_factory=dict)
    """Placeholders of this template alone."""
    gang: bool = False
    """Whether no pod makes progress without all the others."""


class JobFailed(Exception):
    """The Job has the condition Failed; `error` says why."""

    def __init__(self, error: SelfAlignError) -> None:
        super().__init__(str(error))
        self.error = error


class JobWatch:
    """One Job from its creation to its end."""

    def __init__(
        self,
        cluster: Cluster,
        settings: KubernetesSettings,
        name: str,
        request: JobRequest,
        notify: Notify,
    ) -> None:
        self._cluster, self._settings, self._name = cluster, settings, name
        self._request, self._notify = request, notify
        self._patience = Patience(f"Job {name}", settings, notify)
        self._followers: dict[str, LogFollower] = {}
        self._events: list[Object] = []
        self._events_at = float("-inf")
        self._suspended = False
        self._seen_endings: set[tuple[str, str, str]] = set()

    def wait(self, each_poll: Callable[[], None]) -> bool:
        """True when the Job is complete, False when somebody deleted it.

        Raises:
            JobFailed: with the error that the failed container's exit code stands for.
            StageError: a time limit passed; the Job still runs.
        """
        started = time.monotonic()
        while True:
            job = self._cluster.get("jobs", self._name)
            if job is None or "deletionTimestamp" in job["metadata"]:
                return False
            pods = self._pods(job)
            self._follow(pods)
            match finished(job):
                case "Complete":
                    self._finish_logs()
                    return True
                case "Failed":
                    self._finish_logs()
                    raise JobFailed(self._failure(job, pods))
                case _:
                    self._look(job, pods)
            limit = self._settings.stage_timeout_s
            if limit is not None and time.monotonic() - started > limit:
                raise StageError(
                    f"Job {self._name} has not ended after {limit:.0f} s "
                    "(executor.kubernetes.stage_timeout_s)"
                )
            each_poll()
            time.sleep(POLL_S)

    def close(self) -> None:
        """Reads no more logs."""
        for follower in self._followers.values():
            follower.stop()

    def _pods(self, job: Object) -> list[Object]:
        # By uid: pods of an earlier Job of this name may still be on their way out.
        uid = job["metadata"]["uid"]
        return self._cluster.find("pods", labels=f"batch.kubernetes.io/controller-uid={uid}")

    def _follow(self, pods: Sequence[Object]) -> None:
        for pod in pods:
            name, index = pod["metadata"]["name"], completion_index(pod)
            sink = self._request.sinks(index)
            if name in self._followers or sink is None:
                continue
            if any("waiting" not in state["state"] for state in _main_states(pod)):
                container = pod["spec"]["containers"][0]["name"]
                self._followers[name] = LogFollower(self._cluster, name, container, sink)

    def _finish_logs(self) -> None:
        for follower in self._followers.values():
            follower.finish()

    def _look(self, job: Object, pods: Sequence[Object]) -> None:
        """Tells what keeps the Job from going on, and what restarted."""
        suspended = bool(job["spec"].get("suspend"))
        if suspended and not self._suspended:
            self._notify(f"Job {self._name}", "is suspended: it waits for its queue to admit it")
        self._suspended = suspended
        if suspended:
            return
        for ending in endings(pods):
            key = (ending.pod, ending.container, ending.finished)
            if key not in self._seen_endings:
                self._seen_endings.add(key)
                self._notify(f"pod {ending.pod}", f"{ending.container} {ending.describe()}")
        running = [pod for pod in pods if pod.get("status", {}).get("phase") == "Running"]
        self._patience.look(
            list(self._troubles(job, pods)),
            waiting_is_fine=bool(running) and not self._request.gang,
        )

    def _troubles(self, job: Object, pods: Sequence[Object]) -> Iterator[Trouble]:
        status = job.get("status", {})
        alive = [
            pod for pod in pods if pod.get("status", {}).get("phase") in ("Pending", "Running")
        ]
        short = len(alive) + status.get("succeeded", 0) < self._request.count
        pending = [pod for pod in alive if pod["status"]["phase"] == "Pending"]
        if short or pending:
            self._read_events()
        yield from pod_troubles(pods, self._events)
        if short:
            about = [event for event in self._events if of_job(event, self._name)]
            yield from controller_troubles(about, ())

    def _read_events(self) -> None:
        if time.monotonic() - self._events_at >= EVENTS_EVERY_S:
            self._events_at = time.monotonic()
            self._events = [
                event
                for event in self._cluster.find("events")
                if str(event["involvedObject"].get("name", "")).startswith(self._name)
            ]

    def _failure(self, job: Object, pods: Sequence[Object]) -> SelfAlignError:
        conditions = job["status"]["conditions"]
        failed = next(condition for condition in conditions if condition["type"] == "Failed")
        said = f"{failed.get('reason', '')}: {failed.get('message', '')}"
        ending, outside = root_ending(endings(newest(pods))), evicted(pods)
        # Ended from outside: the containers' own endings only follow from it.
        if ending is None or failed.get("reason") == "DeadlineExceeded" or outside:
            return StageError(f"Job {self._name} failed: {outside or said}")
        tail = quoted_tail(self._cluster, ending.pod, ending.container)
        return ending.error_type()(
            f"Job {self._name}: pod {ending.pod} {ending.describe()}; its log:\n{tail}"
        )


def finished(job: Object) -> str | None:
    """Complete, Failed, or None while it runs."""
    for condition in job.get("status", {}).get("conditions", []):
        if condition["type"] in ("Complete", "Failed") and condition["status"] == "True":
            return str(condition["type"])
    return None


def newest(pods: Sequence[Object]) -> list[Object]:
    """The last pod of each completion index: what earlier ones died of was overcome."""
    by_time = sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")))
    return list({completion_index(pod): pod for pod in by_time}.values())


def completion_index(pod: Object) -> int:
    """The pod's number in its Indexed Job."""
    annotations = pod["metadata"].get("annotations", {})
    return int(annotations.get("batch.kubernetes.io/job-completion-index", 0))


def _main_states(pod: Object) -> list[Object]:
    main = pod["spec"]["containers"][0]["name"]
    statuses = pod.get("status", {}).get("containerStatuses", [])
    return [status for status in statuses if status["name"] == main]


def of_job(event: Object, name: str) -> bool:
    """Whether the event is about that Job."""
    about = event["involvedObject"]
    return bool(about.get("kind") == "Job" and about.get("name") == name)
