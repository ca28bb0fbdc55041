"""A run in which a pod of every kind is killed: nothing is lost, doubled or left over."""

import json

import pytest

from support.kind_release import CHART, VALUES, Release, tell
from support.kind_run import PipelineRun, start

LEFT_OUT = ("probes_per_kind", "hhh_limit", "truthfulqa_limit", "probe_rows")


@pytest.fixture(scope="module")
def killed(release: Release) -> PipelineRun:
    """The finished run."""
    # What is evaluated is the other run's matter: here the stage only has to come to its end.
    sets = ",".join(["run.name=kills", *(f"run.evaluate.{one}=0" for one in LEFT_OUT)])
    release.cluster.helm(
        "upgrade", "selfalign", str(CHART), *VALUES, "--set", sets, "--wait", "--timeout", "5m"
    )
    run = start(release, "kills")
    run.kill(run.stage_pod("prompts", 1, "rows"), "worker 1 in prompts")
    run.stage_pod("align", 0, "rows")
    run.kill(release.cluster.pods("principle-engine")[0], "the principle-engine in align")
    # Rank 0 speaks for all; the other is killed.
    run.stage_pod("engrave", 0, "step")
    run.kill(run.pod_of("engrave", 1), "training pod 1 in engrave")
    run.stage_pod("refine", 0, "rows")
    run.kill(run.runner_pod(), "the runner in refine")
    run.stage_pod("distill", 0, "step")
    run.kill(run.runner_pod(), "the runner in distill")
    run.wait()
    return run


def test_all_ends_well(killed: PipelineRun) -> None:
    killed.tell_funnel()
    killed.verify()


def test_a_new_runner_went_on_with_the_jobs_that_ran(killed: PipelineRun) -> None:
    cluster = killed.release.cluster
    pods = cluster.find("pods", "app.kubernetes.io/component=runner,selfalign.dev/run=kills")
    last = next(pod for pod in pods if pod["status"]["phase"] == "Succeeded")
    log = cluster.kubectl("logs", last["metadata"]["name"])
    events = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    kept = [event["stage"] for event in events if event["event"] == "stage_kept"]
    assert kept[:4] == ["topics", "prompts", "align", "engrave"]
    tell(f"run kills: the last runner kept {', '.join(kept)}")
