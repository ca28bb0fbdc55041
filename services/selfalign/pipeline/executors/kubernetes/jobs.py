"""The Jobs of a run: created or adopted, watched to their end, removed."""

import time
from collections.abc import Callable, Mapping

from selfalign.errors import StageError
from selfalign.pipeline.executors.kubernetes.cluster import Cluster, Kind, Object
from selfalign.pipeline.executors.kubernetes.patience import Notify
from selfalign.pipeline.executors.kubernetes.templates import (
    DIGEST,
    RELEASE,
    RUN,
    STAGE,
    Templates,
    mark,
    object_name,
    owner_of,
    selector,
)
from selfalign.pipeline.executors.kubernetes.watch import (
    JobFailed,
    JobRequest,
    JobWatch,
    finished,
)
from selfalign.pipeline.run.config import KubernetesSettings

POLL_S = 1.0
# A trainer saves a checkpoint on SIGTERM before its pod is gone.
GONE_TIMEOUT_S = 900.0
# How often a Job that somebody deleted is created again before that is taken as an order.
RECREATIONS = 3


class Jobs:
    """Creates and watches the Jobs of one run."""

    def __init__(
        self,
        cluster: Cluster,
        settings: KubernetesSettings,
        run: str,
        templates: Templates,
        owner: Object | None,
        notify: Notify,
    ) -> None:
        self._cluster, self._settings, self._run = cluster, settings, run
        self._templates, self._owner, self._notify = templates, owner, notify
        self._active: set[str] = set()
        self._done: set[str] = set()

    def run(self, request: JobRequest, each_poll: Callable[[], None]) -> None:
        """Brings the Job to its end; `each_poll` is called about once a second meanwhile.

        Raises:
            SelfAlignError: of the type that the failed container's exit code stands for.
            StageError: it failed otherwise, or a time limit passed.
        """
        for _ in range(RECREATIONS):
            name = self._ensure(request)
            self._active.add(name)
            watch = JobWatch(self._cluster, self._settings, name, request, self._notify)
            try:
                done = watch.wait(each_poll)
            except JobFailed as failure:
                # It stays, with its logs, until its time to live is over or it is tried again.
                self._active.discard(name)
                raise failure.error from failure
            finally:
                watch.close()
            if done:
                self._active.discard(name)
                self._done.add(name)
                return
            self._notify(f"Job {name}", "was deleted by somebody; creating it again")
        raise StageError(f"Job {name} was deleted {RECREATIONS} times; run again to go on")

    def clean_up(self, *, stop_active: bool) -> None:
        """Deletes the Jobs that ended well and, if asked to, those that still run."""
        for name in sorted(self._done | (self._active if stop_active else set())):
            self._cluster.delete("jobs", name)
        self._done.clear()
        self._active.clear()

    def _ensure(self, request: JobRequest) -> str:
        """Adopts the Job if it runs already, else creates it."""
        release = self._settings.release
        name = object_name(release, self._run, request.stage, request.attempt)
        manifests = self._manifests(request, name)
        self._remove_others(request.stage, name)
        job = self._cluster.get("jobs", name)
        if job is not None and self._adoptable(job, request):
            self._notify(f"Job {name}", "runs already; following it")
        else:
            self._remove(name)
            job = self._create_job(manifests["Job"])
        self._create_rest(name, request, manifests, owner_of(job))
        return name

    def _adoptable(self, job: Object, request: JobRequest) -> bool:
        annotations = job["metadata"].get("annotations", {})
        return (
            finished(job) is None
            and "deletionTimestamp" not in job["metadata"]
            and annotations.get(DIGEST) == request.digest
        )

    def _manifests(self, request: JobRequest, name: str) -> dict[str, Object]:
        """The template's manifests by kind; the Job is among them."""
        values: dict[str, str | int] = {
            "RUN": self._run,
            "STAGE": request.stage,
            "NAME": name,
            "COUNT": request.count,
            "CONFIG_MAP": name,
            **request.values,
        }
        manifests = self._templates.render(request.template, values)
        found = {str(manifest["kind"]): manifest for manifest in manifests}
        if "Job" not in found or set(found) - {"Job", "Service"}:
            raise StageError(
                f"template {request.template}: expected a Job and at most a Service, found "
                f"{', '.join(sorted(found))}"
            )
        labels = {RUN: self._run, STAGE: request.stage, RELEASE: self._settings.release}
        annotations = {DIGEST: request.digest}
        return {
            kind: mark(manifest, labels=labels, annotations=annotations, owner=self._owner)
            for kind, manifest in found.items()
        }

    def _create_job(self, manifest: Object) -> Object:
        name = manifest["metadata"]["name"]
        while True:
            created = self._cluster.create("jobs", manifest)
            if created is not None:
                return created
            # Somebody was faster, or a request whose answer was lost had created it.
            found = self._cluster.get("jobs", name)
            if found is not None and "deletionTimestamp" not in found["metadata"]:
                return found
            time.sleep(POLL_S)

    def _create_rest(
        self, name: str, request: JobRequest, manifests: Mapping[str, Object], owner: Object
    ) -> None:
        """The ConfigMap and the Service, which go when the Job goes."""
        config: Object = {"metadata": {"name": name}, "data": dict(request.files)}
        labels = manifests["Job"]["metadata"]["labels"]
        config = mark(config, labels=labels, annotations={}, owner=owner)
        wanted: list[tuple[Kind, Object]] = [("configmaps", config)]
        if "Service" in manifests:
            service = mark(manifests["Service"], labels={}, annotations={}, owner=owner)
            wanted.append(("services", service))
        for kind, body in wanted:
            while self._cluster.create(kind, body) is None:
                found = self._cluster.get(kind, body["metadata"]["name"])
                if found is not None and _owned_by(found, owner):
                    break
                # Left over from a Job of this name that is gone.
                self._cluster.delete(kind, body["metadata"]["name"])
                time.sleep(POLL_S)

    def _remove_others(self, stage: str, name: str) -> None:
        """An earlier attempt that a killed runner left must not write beside the new one."""
        labels = selector(run=self._run, stage=stage, release=self._settings.release)
        for job in self._cluster.find("jobs", labels=labels):
            other = job["metadata"]["name"]
            if other != name and finished(job) is None:
                self._notify(f"Job {other}", "is left from an earlier attempt; deleting it")
                self._remove(other)

    def _remove(self, name: str) -> None:
        """Deletes a Job and waits until it and its pods are gone.

        Two pods of one share of the work, or of one rank, must not run at a time.
        """
        self._cluster.delete("jobs", name)
        deadline = time.monotonic() + GONE_TIMEOUT_S
        labels = f"batch.kubernetes.io/job-name={name}"
        while self._cluster.get("jobs", name) or self._cluster.find("pods", labels=labels):
            if time.monotonic() > deadline:
                raise StageError(
                    f"Job {name} is not gone {GONE_TIMEOUT_S:.0f} s after it was deleted; look at "
                    f"its pods: kubectl get pods -l {labels}"
                )
            time.sleep(POLL_S)


def _owned_by(body: Object, owner: Object) -> bool:
    references = body["metadata"].get("ownerReferences", [])
    return any(reference["uid"] == owner["uid"] for reference in references)
