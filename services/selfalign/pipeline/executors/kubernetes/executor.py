"""The Kubernetes executor: a release of the chart does the work of a run."""

import os
import tempfile
from pathlib import Path
from typing import Any

import yaml

from selfalign.errors import ConfigError
from selfalign.events import EventSink, Note, from_worker
from selfalign.inference.client.engine_settings import EngineSettings
from selfalign.pipeline.executors.contract.training_check import run_training_check
from selfalign.pipeline.executors.kubernetes.cluster import Cluster, Object, connect
from selfalign.pipeline.executors.kubernetes.engines import Engines, deployment_role
from selfalign.pipeline.executors.kubernetes.jobs import Jobs
from selfalign.pipeline.executors.kubernetes.patience import Notify
from selfalign.pipeline.executors.kubernetes.rollout import Rollout
from selfalign.pipeline.executors.kubernetes.services import Services
from selfalign.pipeline.executors.kubernetes.templates import (
    Templates,
    digest,
    environment_value,
    load_templates,
    owner_of,
)
from selfalign.pipeline.executors.kubernetes.watch import JobRequest
from selfalign.pipeline.run.run import Run, dump_config
from selfalign.pipeline.units.assignment import WorkerGroup
from selfalign.roles import ModelRole, ServiceName
from selfalign.settings.ports import METRICS_PORT
from selfalign.weights.source import Weights

# Where the chart's training template has the base model and room for work.
TRAINING_WIRING: dict[str, Any] = {"base_model": "/weights/base", "work_dir": "/work"}


class KubernetesExecutor:
    """See Executor for the contract.

    In a pod, a runner that is told to stop leaves its running Jobs to the next one, which adopts
    them; outside it deletes them. Deleting the pipeline Job (or, without one, the release) deletes
    them in any case: they are owned by it.
    """

    def __init__(self, run: Run, report: EventSink, cluster: Cluster | None = None) -> None:
        """Looks whether the release can do the run, before any work starts.

        Raises:
            ConfigError: there is no cluster or release, or it has other settings than the run.
        """
        executor = run.config.executor
        settings = executor.kubernetes
        notify = notifier(report)
        self._run, self._settings, self._notify = run, settings, notify
        self._cluster = cluster or connect(settings.namespace, settings.context)
        self._templates = load_templates(self._cluster, settings.release)
        owner = find_owner(self._cluster, settings.release)
        rollout = Rollout(self._cluster, settings, executor.startup_timeout_s, notify)
        self._engines = Engines(self._cluster, settings, rollout, notify)
        self._services = Services(
            self._cluster, settings, executor.startup_timeout_s, rollout, notify
        )
        self._services.check(run.config)
        if self._external("base") is None:
            self._engines.check(str(run.config.model.weights))
        self._jobs = Jobs(self._cluster, settings, run.name, self._templates, owner, notify)

    @property
    def side_by_side(self) -> bool:
        """Tuned models share a Deployment, and engines may share a node's GPUs."""
        return False

    def check_training(self, settings: dict[str, Any]) -> None:
        ranks = self._settings.training_nodes * ranks_per_node(self._templates)
        # The weights lie in the training pods; here a name stands for them.
        wired = {**settings, **TRAINING_WIRING, "base_model": "base"}
        with tempfile.TemporaryDirectory() as folder:
            run_training_check(wired, ranks, Path(folder))

    def serve(self, role: ModelRole, weights: Weights) -> EngineSettings:
        base = self._run.config.engine
        url = self._external(role)
        if url is None:
            url = self._engines.serve(role, str(weights))
        else:
            self._notify(f"engine {role}", f"{url} is yours; the run expects {weights} in it")
        return EngineSettings(**{**base.model_dump(), "url": url})

    def release(self, role: ModelRole) -> None:
        if self._external(role) is None:
            self._engines.release(role)

    def service(self, name: ServiceName, engine: EngineSettings) -> str:
        return self._services.target(name, self._run.config)

    def run_workers(self, group: WorkerGroup, target: str, sink: EventSink) -> None:
        work = {
            "fingerprint": group.fingerprint,
            "store": self._run.store.url,
            "target": target,
            "attempt": group.attempt,
            "count": group.count,
        }
        request = JobRequest(
            template="worker-job.yaml",
            stage=group.stage,
            attempt=group.attempt,
            count=group.count,
            digest=digest(work),
            files={"run.yaml": dump_config(self._run.config, executor=False)},
            values={"ATTEMPT": group.attempt, "TARGET": target},
            sinks=lambda index: from_worker(sink, index),
        )
        self._jobs.run(request, self._engines.guard)

    def train(self, stage: str, settings: dict[str, Any], sink: EventSink) -> None:
        if self._run.manifest(stage) is not None:
            self._notify(stage, "has its manifest already; nothing to train")
            return
        self._engines.release_all()
        wired = {"metrics_port": METRICS_PORT, **settings, **TRAINING_WIRING}
        text = yaml.safe_dump(wired, sort_keys=False, allow_unicode=True)
        request = JobRequest(
            template="training-job.yaml",
            stage=stage,
            attempt=1,
            count=self._settings.training_nodes,
            digest=digest({"settings": wired, "nodes": self._settings.training_nodes}),
            files={"training.yaml": text},
            # Rank 0 speaks for all.
            sinks=lambda index: sink if index == 0 else None,
            gang=True,
        )
        self._jobs.run(request, self._engines.guard)

    def _external(self, role: ModelRole) -> str | None:
        """The address of an engine that is not ours to scale."""
        deployed = deployment_role(role)
        external = self._settings.external_engines.get(deployed)
        return external or (self._run.config.engine.url if deployed == "base" else None)

    def finish(self) -> None:
        self._engines.restore_base()

    def close(self) -> None:
        self._engines.close()
        self._jobs.clean_up(stop_active=not self._cluster.inside)


def notifier(report: EventSink) -> Notify:
    """What the executor has to say, as notes of the run about an object of the cluster."""
    return lambda subject, text: report(Note(stage=subject, text=text))


def ranks_per_node(templates: Templates) -> int:
    """NPROC_PER_NODE of the training template. Raises ConfigError where it is no number."""
    names = ("RUN", "STAGE", "NAME", "COUNT", "CONFIG_MAP")
    manifests = templates.render("training-job.yaml", dict.fromkeys(names, "1"))
    jobs = [manifest for manifest in manifests if manifest["kind"] == "Job"]
    value = environment_value(jobs[0], "NPROC_PER_NODE") if jobs else None
    if value is None or not value.isdecimal() or int(value) < 1:
        raise ConfigError(
            f"ConfigMap {templates.source}, training-job.yaml: NPROC_PER_NODE is {value!r}; "
            "expected the number of ranks of a pod"
        )
    return int(value)


def find_owner(cluster: Cluster, release: str) -> Object | None:
    """Who owns the run's objects: the pipeline Job that we run in, else the release's ConfigMap."""
    name = os.environ.get("POD_NAME")
    if cluster.inside and name and (pod := cluster.get("pods", name)) is not None:
        for reference in pod["metadata"].get("ownerReferences", []):
            if reference.get("controller"):
                return {key: reference[key] for key in ("apiVersion", "kind", "name", "uid")}
        return owner_of(pod)
    config = cluster.get("configmaps", f"{release}-jobs")
    return None if config is None else owner_of(config)
