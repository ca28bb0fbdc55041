"""Why pods do not start or have ended: Kubernetes' own words, and what to do about it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from selfalign.errors import ConfigError, SelfAlignError, StageError, error_for_exit_code
from selfalign.pipeline.executors.kubernetes.cluster import Object

TroubleLimit = Literal["scheduling", "trouble", "unlimited"]
"""Which time limit a trouble has: waiting for room, something that is missing, or none."""

USAGE = 2
KILLED = 137
TERMINATED = 143
IMAGE_REASONS = {
    "ErrImagePull",
    "ImagePullBackOff",
    "ErrImageNeverPull",
    "InvalidImageName",
    "ImageInspectError",
    "RegistryUnavailable",
}
CONFIG_REASONS = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
MOUNT_EVENTS = {"FailedMount", "FailedAttachVolume", "FailedMapVolume"}


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that keeps a pod from running."""

    kind: str
    text: str
    """What Kubernetes says."""
    remedy: str
    patience: TroubleLimit
    pods: tuple[str, ...] = ()

    def describe(self) -> str:
        """One line for a person."""
        who = f"{', '.join(self.pods[:3])}{' …' if len(self.pods) > 3 else ''}: "
        return f"{who if self.pods else ''}{self.text}; {self.remedy}"


@dataclass(frozen=True, slots=True)
class Ending:
    """How a container ended that did not end well."""

    pod: str
    container: str
    exit_code: int
    reason: str
    finished: str

    def error_type(self) -> type[SelfAlignError]:
        """The error that the exit code stands for."""
        if self.exit_code == USAGE:
            return ConfigError
        return error_for_exit_code(self.exit_code)

    def describe(self) -> str:
        """What happened, and what helps where that is known."""
        if self.reason == "OOMKilled":
            return (
                "was killed for exceeding its memory limit (OOMKilled); raise the container's "
                "memory limit in the chart's values"
            )
        if self.exit_code == USAGE:
            return (
                "does not know its command line (exit code 2); do the images have the chart's "
                "version?"
            )
        if self.exit_code == KILLED:
            return "was killed (SIGKILL)"
        if self.exit_code == TERMINATED:
            return "was ended by SIGTERM"
        return f"ended with exit code {self.exit_code}"


def pod_troubles(pods: Sequence[Object], events: Sequence[Object]) -> list[Trouble]:
    """What keeps pods from running, pods with the same trouble together."""
    found: dict[tuple[str, str], Trouble] = {}
    for pod in pods:
        name = pod["metadata"]["name"]
        for trouble in _of_pod(pod, [event for event in events if _about(event) == name]):
            key = (trouble.kind, trouble.text)
            known = found.get(key)
            names = (*(known.pods if known else ()), name)
            found[key] = Trouble(
                trouble.kind, trouble.text, trouble.remedy, trouble.patience, names
            )
    return list(found.values())


def controller_troubles(events: Iterable[Object], conditions: Iterable[Object]) -> list[Trouble]:
    """Why a Job or Deployment has no pods: quota, Pod Security, webhooks.

    Args:
        events: Events about a Job; the newest counts.
        conditions: The conditions of a Deployment.
    """
    refused = [event for event in events if event.get("reason") == "FailedCreate"]
    texts = [str(event.get("message", "")) for event in sorted(refused, key=event_time)]
    texts += [
        str(condition.get("message", ""))
        for condition in conditions
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True"
    ]
    return [_refused_pod(text) for text in texts[-1:]]


def event_time(event: Object) -> str:
    """When the event happened last, as RFC 3339 text."""
    created = event.get("metadata", {}).get("creationTimestamp")
    return str(event.get("lastTimestamp") or event.get("eventTime") or created or "")


def endings(pods: Iterable[Object]) -> list[Ending]:
    """Containers that failed, init containers too, the last to end last."""
    found = [ending for pod in pods for ending in _endings(pod)]
    return sorted(found, key=lambda ending: ending.finished)


def root_ending(found: Sequence[Ending]) -> Ending | None:
    """The ending that says most of why: a known exit code before a signal, a signal before others.

    When one rank dies the others fail of the lost connection in the same moment.
    """
    known = [ending for ending in found if ending.error_type() is not StageError]
    killed = [ending for ending in found if ending.reason == "OOMKilled"]
    signals = [ending for ending in found if ending.exit_code in (KILLED, TERMINATED)]
    for group in (known, killed, signals, found):
        if group:
            return group[-1]
    return None


def evicted(pods: Iterable[Object]) -> str:
    """What the kubelet or a drain says of pods that it ended; empty where there are none."""
    for pod in pods:
        status = pod.get("status", {})
        if status.get("phase") == "Failed" and status.get("message"):
            return f"{pod['metadata']['name']}: {status.get('reason', '')}: {status['message']}"
    return ""


def _of_pod(pod: Object, events: Sequence[Object]) -> Iterator[Trouble]:
    status = pod.get("status", {})
    if status.get("phase") not in ("Pending", "Running"):
        return
    for condition in status.get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            if condition.get("reason") == "SchedulingGated":
                remedy = "whoever set its scheduling gates must remove them (a queue?)"
                yield Trouble("gated", "held back from scheduling", remedy, "unlimited")
            else:
                yield _unschedulable(condition.get("message", condition.get("reason", "")))
            return
    waiting = False
    for container in _statuses(pod):
        state = container.get("state", {}).get("waiting")
        if crash := _crash(container):
            yield crash
        elif state is not None:
            waiting = True
            yield from _waiting(container, state)
    # An older event of this kind is over: the kubelet repeats it as long as it lasts.
    last = max(events, key=event_time, default={})
    if waiting and last.get("reason") in MOUNT_EVENTS:
        remedy = "create what is missing, or correct the volume's name in the chart's values"
        yield Trouble("mount", last.get("message", ""), remedy, "trouble")


def _waiting(container: Object, state: Object) -> Iterator[Trouble]:
    reason, message = state.get("reason", ""), state.get("message", "")
    text = f"{container['name']}: {reason}{': ' if message else ''}{message}"
    if reason in IMAGE_REASONS:
        remedy = (
            f"check the image {container.get('image', '')} (name, tag, registry, pull secret), "
            "and that the node reaches the registry"
        )
        yield Trouble("image", text, remedy, "trouble")
    elif reason in CONFIG_REASONS:
        remedy = "create the secret or ConfigMap that it names, or correct the chart's values"
        yield Trouble("config", text, remedy, "trouble")


def _crash(container: Object) -> Trouble | None:
    """A container that fails and is started again; the init containers' back-off has no reason."""
    states = (container.get("state", {}), container.get("lastState", {}))
    ended: Object = next((state["terminated"] for state in states if "terminated" in state), {})
    backing_off = states[0].get("waiting", {}).get("reason") == "CrashLoopBackOff"
    again = "terminated" in states[0] and container.get("restartCount", 0) > 0
    if ended.get("exitCode", 0) == 0 or not (backing_off or again):
        return None
    ending = Ending("", container["name"], ended["exitCode"], ended.get("reason", ""), "")
    text = f"{container['name']} {ending.describe()} and is started again and again"
    return Trouble("crash", text, "its log says why", "trouble")


def _unschedulable(message: str) -> Trouble:
    remedy = "free or add nodes that fit, or lower the requests in the chart's values"
    if "nvidia.com/" in message or "amd.com/" in message:
        remedy = (
            "no node has so many free GPUs: free or add some (is the device plugin running?), or "
            "ask for fewer in the chart's values"
        )
    elif "persistentvolumeclaim" in message:
        remedy = "create the claim, or name another in the chart's values"
    return Trouble("unschedulable", f"waits for a node: {message}", remedy, "scheduling")


def _refused_pod(message: str) -> Trouble:
    if "exceeded quota" in message:
        remedy = "free some of the quota, have it raised, or lower the requests"
        return Trouble("quota", message, remedy, "scheduling")
    if "violates PodSecurity" in message:
        remedy = "correct the security contexts in the chart's values, or the namespace's level"
        return Trouble("security", message, remedy, "trouble")
    return Trouble(
        "refused", message, "the cluster refuses the pod; correct what it names", "trouble"
    )


def _statuses(pod: Object) -> list[Object]:
    status = pod.get("status", {})
    return [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]


def _endings(pod: Object) -> Iterator[Ending]:
    for container in _statuses(pod):
        for state in (container.get("state", {}), container.get("lastState", {})):
            ended: dict[str, Any] = state.get("terminated", {})
            if ended.get("exitCode", 0) != 0:
                yield Ending(
                    pod["metadata"]["name"],
                    container["name"],
                    ended["exitCode"],
                    ended.get("reason", ""),
                    ended.get("finishedAt") or "",
                )


def _about(event: Object) -> str:
    return str(event.get("involvedObject", {}).get("name", ""))
