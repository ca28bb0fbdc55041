"""The engines of a release: weights set, scaled up and down, put right while they are needed."""

import time
from dataclasses import dataclass
from typing import Literal

from selfalign.errors import ConfigError
from selfalign.pipeline.executors.kubernetes.cluster import Cluster, Object
from selfalign.pipeline.executors.kubernetes.patience import Notify
from selfalign.pipeline.executors.kubernetes.rollout import Rollout
from selfalign.pipeline.executors.kubernetes.tunnel import Tunnel
from selfalign.pipeline.run.config import KubernetesSettings
from selfalign.roles import ModelRole
from selfalign.settings.ports import ENGINE_PORT

Deployed = Literal["base", "engraved"]
"""`final` weights are served by the `engraved` Deployment."""
DEPLOYED: tuple[Deployed, ...] = ("base", "engraved")

WEIGHTS = "selfalign.dev/weights"
"""Annotation: what the Deployment serves."""
REPLICAS = "selfalign.dev/replicas"
"""Annotation: how many replicas it has while it serves."""
WEIGHTS_CONTAINER, WEIGHTS_VARIABLE = "weights", "SELFALIGN_WEIGHTS"
# How often it is looked whether a served engine still stands as it should.
GUARD_EVERY_S = 10.0


@dataclass(frozen=True, slots=True)
class Served:
    """What a Deployment was asked to serve."""

    weights: str
    replicas: int


class Engines:
    """Scales the engine Deployments of one release."""

    def __init__(
        self, cluster: Cluster, settings: KubernetesSettings, rollout: Rollout, notify: Notify
    ) -> None:
        self._cluster, self._settings, self._rollout, self._notify = (
            cluster,
            settings,
            rollout,
            notify,
        )
        self._served: dict[Deployed, Served] = {}
        self._tunnels: dict[Deployed, Tunnel] = {}
        self._guarded_at = time.monotonic()

    def check(self, base: str) -> None:
        """Refuses a release that has no engine, or one for another base model.

        Raises:
            ConfigError: as the message says.
        """
        check_base(self._rollout.read(self._name("base")), base)

    def serve(self, role: ModelRole, weights: str) -> str:
        """Makes the role's Deployment serve `weights`; returns its URL once it is ready.

        Raises:
            ConfigError: the release has no such engine, or serves another base model.
            EngineUnavailable, ModelError: as Rollout.wait.
        """
        deployed = deployment_role(role)
        name = self._name(deployed)
        deployment = self._rollout.read(name)
        if deployed == "base":
            check_base(deployment, weights)
        for other in DEPLOYED:
            if other != deployed:
                self._free(other)
        served = Served(weights, serving_replicas(deployment))
        self._set(deployed, deployment, served)
        self._served[deployed] = served
        self._rollout.wait(name)
        return self._url(deployed)

    def release(self, role: ModelRole) -> None:
        """Scales the role's Deployment to 0 and waits until its pods have left their GPUs."""
        self._free(deployment_role(role))

    def release_all(self) -> None:
        """Frees the GPUs of all engines, of those too that a killed runner left serving."""
        for deployed in DEPLOYED:
            self._free(deployed)

    def guard(self) -> None:
        """Sets replicas and weights again that somebody else has set back (an upgrade, GitOps)."""
        if time.monotonic() - self._guarded_at < GUARD_EVERY_S:
            return
        self._guarded_at = time.monotonic()
        for deployed, served in self._served.items():
            name = self._name(deployed)
            deployment = self._rollout.read(name)
            self._set(deployed, deployment, served)

    def restore_base(self) -> None:
        """Scales the base engine as it was before the run, if the run scaled it to 0."""
        name = self._name("base")
        deployment = self._cluster.get("deployments", name)
        if deployment is None or deployment["spec"].get("replicas", 1) > 0:
            return
        replicas = deployment["metadata"].get("annotations", {}).get(REPLICAS)
        if replicas is not None:
            self._cluster.patch("deployments", name, {"spec": {"replicas": int(replicas)}})
            self._notify(f"Deployment {name}", f"scaled back to {replicas}")

    def close(self) -> None:
        """Frees what this process holds; the engines stay as they are."""
        for tunnel in self._tunnels.values():
            tunnel.close()

    def _free(self, deployed: Deployed) -> None:
        """Scales to 0, unless engines are kept; one that does not serve is no error."""
        self._served.pop(deployed, None)
        if deployed in self._tunnels:
            self._tunnels.pop(deployed).close()
        name = self._name(deployed)
        deployment = self._cluster.get("deployments", name)
        if self._settings.keep_engines or deployment is None:
            return
        replicas = deployment["spec"].get("replicas", 1)
        if replicas > 0:
            annotations = {REPLICAS: str(replicas)}
            patch = {"metadata": {"annotations": annotations}, "spec": {"replicas": 0}}
            self._cluster.patch("deployments", name, patch)
            self._notify(f"Deployment {name}", "scaled to 0, so that others have its room")
        self._rollout.wait_empty(name)

    def _url(self, deployed: Deployed) -> str:
        """How this process reaches the engine: by name in the cluster, by a tunnel outside."""
        name = self._name(deployed)
        if self._cluster.inside:
            return f"http://{name}.{self._cluster.namespace}.svc:{ENGINE_PORT}"
        if deployed not in self._tunnels:
            tunnel = Tunnel(self._cluster, lambda: self._rollout.ready_pod(name), ENGINE_PORT)
            self._tunnels[deployed] = tunnel
        return f"http://{self._tunnels[deployed].address}"

    def _name(self, deployed: Deployed) -> str:
        return f"{self._settings.release}-engine-{deployed}"

    def _set(self, deployed: Deployed, deployment: Object, served: Served) -> None:
        """Patches other weights and a replica count of 0; an autoscaler may choose any other."""
        right_weights = deployed == "base" or weights_of(deployment) == served.weights
        if right_weights and deployment["spec"].get("replicas", 1) > 0:
            return
        name = self._name(deployed)
        patch: Object = {"spec": {"replicas": served.replicas}}
        if not right_weights:
            check_weights_container(deployment)
            patch = weights_patch(served)
        self._notify(f"Deployment {name}", f"scaling to {served.replicas} with {served.weights}")
        self._cluster.patch("deployments", name, patch)


def deployment_role(role: ModelRole) -> Deployed:
    """Which Deployment serves a role."""
    return "base" if role == "base" else "engraved"


def weights_of(deployment: Object) -> str:
    """The weights that a Deployment's pods load."""
    template = deployment["spec"]["template"]["spec"]
    for container in template.get("initContainers", []):
        for variable in container.get("env", []):
            if variable["name"] == WEIGHTS_VARIABLE:
                return str(variable.get("value", ""))
    return str(deployment["metadata"].get("annotations", {}).get(WEIGHTS, ""))


def check_weights_container(deployment: Object) -> None:
    """Refuses a Deployment into which no weights can be brought."""
    template = deployment["spec"]["template"]["spec"]
    names = [container["name"] for container in template.get("initContainers", [])]
    if WEIGHTS_CONTAINER not in names:
        raise ConfigError(
            f"Deployment {deployment['metadata']['name']} has no init container "
            f"{WEIGHTS_CONTAINER!r} that fetches weights; found {', '.join(names) or 'none'}"
        )


def weights_patch(served: Served) -> Object:
    """Replicas and weights in one patch, so that no pod starts with the old ones."""
    annotations = {WEIGHTS: served.weights}
    variable = {"name": WEIGHTS_VARIABLE, "value": served.weights}
    return {
        "metadata": {"annotations": annotations},
        "spec": {
            "replicas": served.replicas,
            "template": {
                "metadata": {"annotations": annotations},
                "spec": {"initContainers": [{"name": WEIGHTS_CONTAINER, "env": [variable]}]},
            },
        },
    }


def serving_replicas(deployment: Object) -> int:
    """How many replicas the Deployment has while it serves: as now, as noted, or one."""
    noted = deployment["metadata"].get("annotations", {}).get(REPLICAS, "1")
    return int(deployment["spec"].get("replicas", 1)) or max(int(noted), 1)


def check_base(deployment: Object, weights: str) -> None:
    """Refuses a run whose base model is not the one that the release serves."""
    name = deployment["metadata"]["name"]
    served = deployment["metadata"].get("annotations", {}).get(WEIGHTS)
    if served is not None and served != weights:
        raise ConfigError(
            f"model.base: {weights!r}, but Deployment {name} serves {served!r}; set "
            "inference.base.weights of the chart and model.base of the run to the same"
        )
