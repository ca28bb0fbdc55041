"""Waiting for a Deployment until all its pods are the ones asked for, and ready."""

import time
from collections.abc import Sequence

from selfalign.errors import ConfigError, DataError, EngineUnavailable, ModelError
from selfalign.pipeline.executors.kubernetes.cluster import Cluster, Object
from selfalign.pipeline.executors.kubernetes.diagnosis import (
    controller_troubles,
    endings,
    pod_troubles,
)
from selfalign.pipeline.executors.kubernetes.log_follower import quoted_tail
from selfalign.pipeline.executors.kubernetes.patience import Notify, Patience
from selfalign.pipeline.run.config import KubernetesSettings

POLL_S = 1.0
EVENTS_EVERY_S = 5.0
# An engine drains for minutes before its pod ends.
GONE_TIMEOUT_S = 900.0
# Starting again does not help with these.
FINAL = (ConfigError, DataError, ModelError)


class Rollout:
    """One Deployment on its way to its wanted state."""

    def __init__(
        self,
        cluster: Cluster,
        settings: KubernetesSettings,
        startup_timeout_s: float,
        notify: Notify,
    ) -> None:
        self._cluster, self._settings, self._notify = cluster, settings, notify
        self._startup_timeout_s = startup_timeout_s

    def wait(self, name: str) -> None:
        """Blocks until a replica of the newest version is ready and none of an older is left.

        Raises:
            ConfigError, DataError, ModelError: it has no replicas, or a container ended so; its
                log is quoted.
            EngineUnavailable: a time limit passed; the message says what was waited for.
        """
        subject = f"Deployment {name}"
        patience = Patience(subject, self._settings, self._notify, EngineUnavailable)
        began = placed_at = time.monotonic()
        phase, events, events_at = "", list[Object](), float("-inf")
        while not is_up(deployment := self.read(name)):
            if deployment["spec"].get("replicas", 1) == 0:
                raise ConfigError(f"{subject} has 0 replicas; scale it up in the chart's values")
            pods = current_pods(self._pods(deployment))
            self._refuse(subject, pods)
            now = time.monotonic()
            if now - events_at >= EVENTS_EVERY_S:
                events, events_at = self._cluster.find("events"), now
            conditions = deployment.get("status", {}).get("conditions", [])
            patience.look([*pod_troubles(pods, events), *controller_troubles((), conditions)])
            # The start-up limit begins with a node; until then the scheduling limit holds.
            placed_at = placed_at if any(_placed(pod) for pod in pods) else now
            self._check_time(subject, pods, now - began, now - placed_at)
            if (said := describe(pods)) != phase:
                phase = said
                self._notify(subject, said)
            time.sleep(POLL_S)
        if phase:
            ready, seconds = deployment["status"]["availableReplicas"], time.monotonic() - began
            wanted = deployment["spec"].get("replicas", 1)
            self._notify(subject, f"{ready} of {wanted} ready after {seconds:.0f} s")

    def _check_time(
        self, subject: str, pods: Sequence[Object], waited_s: float, placed_s: float
    ) -> None:
        limit, name = self._startup_timeout_s, "executor.startup_timeout_s"
        if not pods and waited_s > self._settings.scheduling_timeout_s:
            limit, name = (
                self._settings.scheduling_timeout_s,
                "executor.kubernetes.scheduling_timeout_s",
            )
        elif placed_s <= limit:
            return
        raise EngineUnavailable(
            f"{subject} was not ready after {limit:.0f} s ({name}); {describe(pods)}"
            f"{self._tail(pods)}"
        )

    def wait_empty(self, name: str) -> None:
        """Blocks until the Deployment has no pods, so that what they held is free.

        Raises:
            EngineUnavailable: they are not gone after GONE_TIMEOUT_S.
        """
        deadline = time.monotonic() + GONE_TIMEOUT_S
        while pods := self._pods(self.read(name)):
            if time.monotonic() > deadline:
                left = ", ".join(pod["metadata"]["name"] for pod in pods)
                raise EngineUnavailable(
                    f"Deployment {name} was scaled to 0, but after {GONE_TIMEOUT_S:.0f} s there is "
                    f"still {left}; see kubectl describe pod"
                )
            time.sleep(POLL_S)

    def read(self, name: str) -> Object:
        """The Deployment. Raises ConfigError where there is none."""
        found = self._cluster.get("deployments", name)
        if found is None:
            raise ConfigError(
                f"executor.kubernetes.release: namespace {self._cluster.namespace!r} has no "
                f"Deployment {name!r}; expected the full name of a release of the selfalign chart "
                "that has one"
            )
        return found

    def ready_pod(self, name: str) -> str:
        """One of the Deployment's pods that answer. Raises EngineUnavailable where none does."""
        for pod in current_pods(self._pods(self.read(name))):
            for condition in pod.get("status", {}).get("conditions", []):
                if condition["type"] == "Ready" and condition["status"] == "True":
                    return str(pod["metadata"]["name"])
        raise EngineUnavailable(f"Deployment {name} has no pod that is ready")

    def _pods(self, deployment: Object) -> list[Object]:
        labels = deployment["spec"]["selector"]["matchLabels"]
        return self._cluster.find(
            "pods", labels=",".join(f"{key}={value}" for key, value in labels.items())
        )

    def _refuse(self, subject: str, pods: Sequence[Object]) -> None:
        """Raises what a container says that starting again will not mend."""
        for ending in endings(pods):
            kind = ending.error_type()
            if issubclass(kind, FINAL):
                tail = quoted_tail(self._cluster, ending.pod, ending.container)
                raise kind(
                    f"{subject}: {ending.container} of pod {ending.pod} {ending.describe()}; its "
                    f"log:\n{tail}"
                )

    def _tail(self, pods: Sequence[Object]) -> str:
        if not pods:
            return ""
        pod = pods[-1]
        name, container = pod["metadata"]["name"], pod["spec"]["containers"][0]["name"]
        return f"; log of {name}:\n{quoted_tail(self._cluster, name, container)}"


def is_up(deployment: Object) -> bool:
    """Whether a replica of the newest version is ready, and none of an older is left.

    Not all have to be: an autoscaler may ask for more than there is room for.
    """
    status, metadata = deployment.get("status", {}), deployment["metadata"]
    seen = bool(status.get("observedGeneration", 0) >= metadata["generation"])
    none_older = bool(status.get("updatedReplicas", 0) == status.get("replicas", 0))
    wanted = deployment["spec"].get("replicas", 1)
    return seen and none_older and min(wanted, status.get("availableReplicas", 0)) > 0


def current_pods(pods: Sequence[Object]) -> list[Object]:
    """Pods that are not on their way out, the newest last."""
    alive = [
        pod
        for pod in pods
        if "deletionTimestamp" not in pod["metadata"]
        and pod.get("status", {}).get("phase") in ("Pending", "Running")
    ]
    return sorted(alive, key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")))


def describe(pods: Sequence[Object]) -> str:
    """What the newest pod is doing, for a person."""
    if not pods:
        return "waiting for a pod"
    pod = pods[-1]
    if not _placed(pod):
        return "waiting for a node"
    status = pod.get("status", {})
    for container in status.get("initContainerStatuses", []):
        state = container.get("state", {})
        if "running" in state:
            return f"init container {container['name']} runs"
        if "waiting" in state:
            return f"init container {container['name']}: {_reason(state)}"
    for container in status.get("containerStatuses", []):
        state = container.get("state", {})
        if "waiting" in state:
            return f"container {container['name']}: {_reason(state)}"
    return "started; waiting until it is ready"


def _reason(state: Object) -> str:
    reason = str(state["waiting"].get("reason", "waiting"))
    return "pulling the image, mounting volumes" if reason == "ContainerCreating" else reason


def _placed(pod: Object) -> bool:
    return bool(pod.get("spec", {}).get("nodeName"))
