"""A run in the cluster, followed by its Jobs and its runner's events."""

import json
import time
from dataclasses import dataclass

import yaml

from selfalign.events import parse
from selfalign.pipeline.stages.register import NAMES
from support.cluster import Object, condition, wait_for
from support.kind_release import Release, tell

RUN_SECONDS = 1200
STAGE_SECONDS = 600
COMMAND_SECONDS = 180
JOB = "selfalign-pipeline"


@dataclass(frozen=True)
class PipelineRun:
    """A run that `kubectl create -f pipeline-job.yaml` started."""

    release: Release
    name: str
    began: float

    def elapsed(self) -> str:
        return f"{time.monotonic() - self.began:4.0f} s"

    def pod_of(self, stage: str, index: int) -> Object | None:
        """The running pod with that index of the stage's Job."""
        selector = f"selfalign.dev/run={self.name},selfalign.dev/stage={stage}"
        for pod in self.release.cluster.find("pods", selector):
            annotations = pod["metadata"].get("annotations", {})
            mine = annotations.get("batch.kubernetes.io/job-completion-index") == str(index)
            if mine and pod["status"]["phase"] == "Running":
                return pod
        return None

    def node_of(self, stage: str, index: int) -> str:
        """Name of the node that the running pod is on."""
        pod = self.pod_of(stage, index)
        assert pod is not None, f"pod {index} of stage {stage} does not run"
        return str(pod["spec"]["nodeName"])

    def stage_pod(self, stage: str, index: int, event: str) -> Object:
        """That pod as soon as it has reported such an event: in the middle of its work."""

        def find() -> Object | None:
            self.check_job()
            pod = self.pod_of(stage, index)
            if pod is None:
                return None
            log = self.release.cluster.kubectl("logs", pod["metadata"]["name"], "--tail=200")
            found = [parse(line) for line in log.splitlines()]
            return pod if any(each.event == event for each in found if each) else None

        what = f"pod {index} of stage {stage} has reported {event}"
        return wait_for(what, find, STAGE_SECONDS, pause=0.5)

    def runner_pod(self) -> Object:
        """The pod that walks the stages."""
        pods = wait_for(
            "the runner runs", lambda: self.release.cluster.pods("runner", self.name), 120
        )
        return pods[0]

    def check_job(self) -> None:
        """Fails at once when the run has."""
        job = self.release.cluster.get("job", JOB)
        assert not condition(job, "Failed"), self.last_words()

    def last_words(self) -> str:
        return self.release.cluster.kubectl("logs", f"job/{JOB}", "--tail=15")

    def wait(self) -> None:
        """Until the Job is complete."""

        def complete() -> bool:
            self.check_job()
            return condition(self.release.cluster.get("job", JOB), "Complete")

        wait_for(f"run {self.name} is complete", complete, RUN_SECONDS, pause=2)
        tell(f"run {self.name}: complete after {self.elapsed()}")

    def kill(self, pod: Object | None, what: str) -> None:
        """Without a grace period: the process gets SIGKILL."""
        assert pod is not None, f"{what} does not run"
        name = pod["metadata"]["name"]
        self.release.cluster.kubectl(
            "delete", "pod", name, "--grace-period=0", "--force", "--wait=false"
        )
        tell(f"run {self.name}: {self.elapsed()}: killed {what} ({name})")

    def tell_funnel(self) -> None:
        manifests = json.loads(self.release.selfalign("status", "--run", self.name, "--json"))
        assert all(manifests[stage] for stage in NAMES)
        shown = self.release.selfalign("status", "--run", self.name)
        tell("\n".join(line.rstrip() for line in shown.splitlines()))

    def verify(self) -> None:
        said = self.release.selfalign("verify", "--run", self.name)
        assert f"run {self.name}: verified" in said
        tell(said)


def start(release: Release, name: str) -> PipelineRun:
    """Creates the Job; a finished one from before is taken away first."""
    release.cluster.kubectl("delete", "job", JOB, "--ignore-not-found", "--cascade=foreground")
    manifest = (release.jobs / "pipeline-job.yaml").read_text()
    manifest = manifest.replace('selfalign.dev/run: "clean"', f'selfalign.dev/run: "{name}"')
    release.cluster.kubectl("create", "-f", "-", stdin=manifest)
    return PipelineRun(release, name, time.monotonic())


def other_command(release: Release, name: str, command: list[str], end: str) -> str:
    """The log of a pod like the runner's that runs another command, once its Job has ended so."""
    cluster = release.cluster
    job = yaml.safe_load((release.jobs / "pipeline-job.yaml").read_text())
    job["metadata"]["name"] = f"selfalign-{name}"
    job["spec"]["backoffLimit"] = 0
    job["spec"]["template"]["spec"]["containers"][0]["command"] = command
    cluster.kubectl("create", "-f", "-", stdin=yaml.safe_dump(job))
    try:
        wait_for(
            f"Job {name} is {end}",
            lambda: condition(cluster.get("job", f"selfalign-{name}"), end),
            COMMAND_SECONDS,
        )
        return cluster.kubectl("logs", f"job/selfalign-{name}").strip()
    finally:
        cluster.kubectl("delete", "job", f"selfalign-{name}")
