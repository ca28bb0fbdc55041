"""The dashboards' expressions return data from a real Prometheus that scrapes real processes."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from charts.panels import ask_all, table
from selfalign.events import StageDone, StageStarted, parse
from selfalign.pipeline.progress.run_metrics import RunMetrics
from selfalign.pipeline.run.run import dump_config
from selfalign.pipeline.stages.register import NAMES
from selfalign.telemetry.exporter import serving_metrics
from support.model_server_process import ModelServerProcess
from support.prometheus_server import PROMETHEUS, prometheus_server, wait_for_scrape
from support.runs import run_in
from support.s3_server import free_port
from support.tiny_llama import save_tiny_llama

# A random model cites no rule. Time left is known only between the first and the last row.
WITHOUT_DATA = {"Rule citations", "Time left"}
CLI = [sys.executable, "-m", "selfalign.cli"]


@contextmanager
def service(config: Path, engine: str, metrics_port: int) -> Iterator[str]:
    """A principle-engine; yields its address."""
    command = [*CLI, "serve", "principle-engine", "--config", str(config), "--engine-url", engine]
    options = ["--host", "127.0.0.1", "--port", "0", "--metrics-port", str(metrics_port)]
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["address"]
        finally:
            process.terminate()


def work(config: Path, target: str, metrics_port: int, metrics: RunMetrics) -> int:
    """A worker on align, its events told to the run's metrics; returns its exit code."""
    command = [*CLI, "worker", "--config", str(config), "--stage", "align", "--target", target]
    options = ["--metrics-port", str(metrics_port)]
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if (event := parse(line)) is not None:
                metrics.show(event.model_copy(update={"stage": "align"}))
    return process.returncode


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(not PROMETHEUS.is_file(), reason="no .cache/bin/prometheus: `make prometheus`")
def test_panels_of_pipeline_and_inference(tmp_path: Path) -> None:
    save_tiny_llama(tmp_path / "model", max_position_embeddings=16384)
    run = run_in(tmp_path / "runs", prompts=24)
    config = tmp_path / "run.yaml"
    config.write_text(dump_config(run.config))
    metrics = RunMetrics("one", "small", NAMES)
    ports = {name: free_port() for name in ("service", "worker", "runner")}
    reasons = {"too_long": 3}
    done = StageDone(stage="prompts", seconds=9, accepted=20, rejected=3, failed=0, reasons=reasons)
    metrics.show(done)
    with (
        ModelServerProcess(tmp_path / "model", "--slots", "8", "--dtype", "fp32") as engine,
        service(config, engine.url, ports["service"]) as target,
        serving_metrics(ports["runner"], metrics.registry, "127.0.0.1"),
    ):
        addresses = {name: f"127.0.0.1:{port}" for name, port in ports.items()}
        addresses["engine"] = engine.url.removeprefix("http://")
        with prometheus_server(tmp_path, addresses) as url:
            # A rate needs a sample from before the work and one from after it.
            for job in ("engine", "service", "runner"):
                wait_for_scrape(url, job)
            metrics.show(StageStarted(stage="align"))
            assert work(config, target, ports["worker"], metrics) == 0
            for job in ("engine", "service", "runner"):
                wait_for_scrape(url, job)
            answers = [
                answer
                for answer in ask_all(url, minutes=5, rate="5s")
                if answer.query.dashboard != "training" and answer.query.row != "vLLM"
            ]
    print(table(answers))
    empty = {answer.query.panel for answer in answers if answer.value is None}
    assert empty <= WITHOUT_DATA
    assert len(answers) > 30
