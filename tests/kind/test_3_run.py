"""A whole run, with an upgrade of the release in the middle of it."""

import json
import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from charts.panels import ask_all, table
from selfalign.rpc.clients import RefinerClient
from selfalign.storage.open import open_store
from selfalign.storage.rows import PromptItem
from support.browser import NONE_FOUND, dom, find_browser
from support.cluster import run as command
from support.cluster import wait_for
from support.kind_release import CHART, ROOT, SERVICES, VALUES, Release, tell
from support.kind_run import PipelineRun, other_command, start


@pytest.fixture(scope="module")
def prometheus(release: Release) -> Iterator[str]:
    """Address of a Prometheus that scrapes the release's pods."""
    text = (ROOT / "tests" / "kind" / "prometheus.yaml").read_text()
    for name, image in (("PROMETHEUS", os.environ["PROMETHEUS_IMAGE"]), ("SERVICES", SERVICES)):
        text = text.replace(f"{name}_IMAGE", image)
    release.cluster.kubectl("apply", "-f", "-", stdin=text)
    release.cluster.kubectl("rollout", "status", "deployment/prometheus", "--timeout=120s")
    with release.cluster.forward("deployment/prometheus", 9090) as port:
        yield f"http://127.0.0.1:{port}"
    release.cluster.kubectl("delete", "-f", "-", stdin=text)


@pytest.fixture(scope="module")
def clean(release: Release, prometheus: str) -> PipelineRun:
    """The finished run. While it aligns, the release is upgraded to the current chart."""
    run = start(release, "clean")
    run.stage_pod("align", 0, "rows")
    jobs = {job["stage"]: job for job in status_from_a_laptop(run)}
    assert jobs.keys() == {"", "topics", "prompts", "align"}
    assert jobs[""]["active"] == 1
    assert len(jobs["align"]["pods"]) == 2
    upgraded = release.cluster.helm("upgrade", "selfalign", str(CHART), *VALUES, "--timeout", "5m")
    assert "has been upgraded" in upgraded
    tell(f"run clean: {run.elapsed()}: helm upgrade to the current chart")
    run.stage_pod("engrave", 0, "step")
    nodes = {run.node_of("engrave", index) for index in (0, 1)}
    assert len(nodes) == 2, nodes
    tell(f"run clean: {run.elapsed()}: engrave trains on {' and '.join(sorted(nodes))}")
    run.wait()
    return run


def test_seven_stages_and_a_ledger_that_adds_up(clean: PipelineRun) -> None:
    clean.tell_funnel()
    clean.verify()


def test_two_workers_and_two_training_pods_did_it(clean: PipelineRun) -> None:
    events = [
        json.loads(line)
        for line in clean.release.cluster.kubectl("logs", "job/selfalign-pipeline").splitlines()
        if line.startswith("{")
    ]
    started = [event["stage"] for event in events if event["event"] == "stage_started"]
    assert started == ["topics", "prompts", "align", "engrave", "refine", "distill", "evaluate"]
    workers = {
        event["worker"] for event in events if event.get("stage") == "align" and "worker" in event
    }
    assert workers == {0, 1}
    trained = json.loads(clean.release.selfalign("status", "--run", "clean", "--json"))["engrave"]
    assert trained["details"]["ranks"] == 2


def test_the_status_from_inside_is_the_same(clean: PipelineRun) -> None:
    """A pod like the runner's, since only those that need the bucket have its keys."""
    inside = other_command(
        clean.release, "status", ["selfalign", "status", "--run=clean", "--json"], "Complete"
    )
    outside = clean.release.selfalign("status", "--run", "clean", "--json")
    assert json.loads(inside) == json.loads(outside)


def test_the_upgrade_left_the_run_alone_and_is_in_force(clean: PipelineRun) -> None:
    history = json.loads(clean.release.cluster.helm("history", "selfalign", "-o", "json"))
    assert [entry["status"] for entry in history] == ["superseded", "deployed"]
    pods = clean.release.cluster.find("pods", "app.kubernetes.io/component=runner")
    assert [pod["status"]["phase"] for pod in pods] == ["Succeeded"], "one runner, never restarted"


def test_ended_stages_leave_no_pods_of_theirs_running(clean: PipelineRun) -> None:
    cluster = clean.release.cluster
    assert cluster.pods("worker") == []
    assert cluster.pods("training") == []
    base = cluster.get("deployment", "selfalign-engine-base")["spec"]["replicas"]
    engraved = cluster.get("deployment", "selfalign-engine-engraved")["spec"]["replicas"]
    assert (base, engraved) == (1, 0)


def status_from_a_laptop(run: PipelineRun) -> list[dict[str, Any]]:
    """What `status --kubernetes` shows with a kubeconfig and without the keys of the bucket."""
    cluster = run.release.cluster
    options = ("--kubernetes", "--namespace", cluster.namespace)
    cli = str(Path(sys.executable).parent / "selfalign")
    found: list[dict[str, Any]] = json.loads(
        command(cli, "status", "--run", run.name, *options, "--json")
    )
    return found


def test_the_report_is_in_the_bucket(clean: PipelineRun, tmp_path: Path) -> None:
    with clean.release.store() as environment, pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        store = open_store("s3://selfalign/runs")
        report = ROOT / "build" / "kind" / "report.html"
        store.download("clean/evaluate/report.html", report)
        keys = {info.key for info in store.list("clean/distill")}
    assert b"<svg" in report.read_bytes()
    assert any(key.endswith("merged/config.json") for key in keys)
    tell(f"report: {report.relative_to(ROOT)}, {report.stat().st_size / 1e3:.0f} kB")
    browser = find_browser()
    if browser is None:
        pytest.skip(NONE_FOUND)
    document = dom(browser, report, tmp_path)
    assert "<title>clean · selfalign</title>" in document
    charts = re.findall(r'<svg [^>]*aria-label="([^"]*)".*?</svg>', document, re.DOTALL)
    assert len(charts) == document.count("<svg ") >= 5
    for chart in charts:
        tell(f"report's chart in the browser: {chart}")


async def test_the_final_model_answers_the_refiner_once_it_is_scaled_up(clean: PipelineRun) -> None:
    cluster = clean.release.cluster
    engraved = "deployment/selfalign-engine-engraved"
    cluster.kubectl("scale", engraved, "--replicas=1")
    cluster.kubectl("rollout", "status", engraved, "--timeout=180s")
    item = PromptItem("p1", "Name three things that grow in a vegetable garden.", seed=1)
    with cluster.forward("service/selfalign-refiner", 50051) as port:
        async with RefinerClient(clean.release.channel(port)) as client:
            row = await client.refine_prompt(item, 120.0)
    cluster.kubectl("scale", engraved, "--replicas=0")
    assert row.status in ("accepted", "rejected")
    assert row.completion_tokens > 0
    tell(f"refiner from outside: {row.status}, {row.completion_tokens} tokens")


def test_every_panel_shows_the_run(clean: PipelineRun, prometheus: str) -> None:
    """Every expression of the dashboards over the whole run; vLLM's have their own engine."""
    minutes = (time.monotonic() - clean.began) / 60 + 1
    answers = ask_all(prometheus, minutes)
    tell(table(answers))
    empty = [
        f"{answer.query.dashboard}: {answer.query.panel}: {answer.query.expression}"
        for answer in answers
        if answer.value is None and answer.query.row != "vLLM"
    ]
    assert not empty, "\n".join(empty)


def test_rollback_and_forward(clean: PipelineRun) -> None:
    cluster = clean.release.cluster
    # The run has set the engines' weights since, and another than Helm owns these fields now.
    cluster.helm("rollback", "selfalign", "1", "--force-conflicts", "--wait", "--timeout", "5m")
    deployed = yaml.safe_load(cluster.helm("list", "-o", "yaml"))
    assert deployed[0]["chart"] == "selfalign-0.0.9"
    wait_for("the engine is ready", lambda: cluster.pods("engine-base"), 120)
    clean.verify()
