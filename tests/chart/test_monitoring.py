"""Dashboards, alert rules and the table of metrics agree with what the programs export."""

import functools
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from charts.panels import filled, queries
from selfalign.model_server.api.tgi_metrics import TGI_METRICS
from selfalign.pipeline.progress.row_metrics import RowMetrics
from selfalign.pipeline.progress.run_metrics import RunMetrics
from selfalign.pipeline.stages import register
from selfalign.telemetry.metrics import Metrics
from selfalign_training.report import prometheus as training
from support.helm import CHART, ROOT

PROMTOOL = ROOT / ".cache" / "bin" / "promtool"
RULES = CHART / "rules" / "alerts.yaml"
NAMES = re.compile(r"\b(?:selfalign_|grpc_server_|tgi_|vllm:)[a-z0-9_:]+")
SUFFIXES = ("_bucket", "_sum", "_count")
# As vLLM's documentation lists them.
VLLM = {
    "vllm:num_requests_running",
    "vllm:num_requests_waiting",
    "vllm:generation_tokens_total",
    "vllm:e2e_request_latency_seconds",
    "vllm:time_to_first_token_seconds",
    "vllm:kv_cache_usage_perc",
    "vllm:prefix_cache_hits_total",
    "vllm:prefix_cache_queries_total",
}
Described = dict[str, tuple[str, tuple[str, ...]]]


def described(registry: CollectorRegistry) -> Described:
    """{name: (type, labels)} of a registry, named as Prometheus shows them."""
    found = {}
    collectors: list[Any] = list(registry._collector_to_names)
    for collector in collectors:
        if not hasattr(collector, "_labelnames"):
            continue
        kind = collector._type
        name = f"{collector._name}_total" if kind == "counter" else collector._name
        found[name] = (kind, tuple(collector._labelnames))
    return found


@functools.cache
def exported() -> Described:
    """All metrics of our own programs."""
    ours = described(Metrics().registry)
    ours |= described(RowMetrics("align").registry)
    ours |= described(RunMetrics("demo", "small", register.NAMES).registry)
    for metric in training.METRICS:
        suffix = "_total" if metric.kind == "counter" else ""
        ours[f"{training.PREFIX}{metric.field}{suffix}"] = (metric.kind, ())
    ours[f"{training.PREFIX}rows"] = ("gauge", ("outcome",))
    return ours


def used(expression: str) -> set[str]:
    """Names of metrics in an expression, without what a histogram adds to its name."""
    found = set()
    for name in NAMES.findall(expression):
        stem = next((name.removesuffix(s) for s in SUFFIXES if name.endswith(s)), name)
        known = {*exported(), *TGI_METRICS, *VLLM}
        found.add(stem if stem in known else name)
    return found


def alerts() -> Iterator[dict[str, Any]]:
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        yield from group["rules"]


def test_dashboards_and_rules_name_metrics_that_are_there() -> None:
    expressions = [(query.panel, query.expression) for query in queries()]
    expressions += [(alert["alert"], alert["expr"]) for alert in alerts()]
    assert len(expressions) > 60
    for place, expression in expressions:
        names = used(expression)
        assert names, place
        assert names <= {*exported(), *TGI_METRICS, *VLLM}, place


def test_names_that_are_not_there_are_found() -> None:
    assert used("rate(selfalign_worker_row_seconds_bucket[5m])") == {"selfalign_worker_row_seconds"}
    assert used('sum(tgi_batch_total_tokens{a="b"})') == {"tgi_batch_total_tokens"}
    assert not used("sum(tgi_batch_total_tokens)") <= {*exported(), *TGI_METRICS}


def test_the_table_of_metrics_is_the_programs_own() -> None:
    section = (ROOT / "docs" / "operating" / "metrics.md").read_text()
    documented: Described = {}
    for names, kind, labels, meaning in re.findall(
        r"^\| (`.+?) \| (\w+) \| (.*?) ?\| (.+) \|$", section, re.MULTILINE
    ):
        assert meaning
        for name in re.findall(r"`([^`]+)`", names):
            sure = tuple(part.strip("() ") for part in labels.split(",") if part.strip("() "))
            documented[name] = (kind, sure)
    # Only RPCs that are handled have a code.
    for name in documented:
        if name.startswith("grpc_server_") and name != "grpc_server_handled_total":
            kind, labels = documented[name]
            documented[name] = (kind, tuple(part for part in labels if part != "grpc_code"))
    assert documented == exported()


def test_dashboards_can_be_loaded() -> None:
    uids = set()
    for path in sorted((CHART / "dashboards").glob("*.json")):
        board = json.loads(path.read_text())
        uids.add(board["uid"])
        assert board["templating"]["list"][0]["type"] == "datasource"
        panels = [panel for panel in board["panels"] if panel["type"] != "row"]
        assert all(panel["datasource"]["uid"] == "$datasource" for panel in panels)
        numbers = [panel["id"] for panel in board["panels"]]
        assert len(numbers) == len(set(numbers))
        places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in board["panels"]]
        assert len(places) == len(set(places))
    assert uids == {"selfalign-pipeline", "selfalign-inference", "selfalign-training"}


@pytest.mark.skipif(not PROMTOOL.is_file(), reason="no .cache/bin/promtool: run `make prometheus`")
def test_alerts_fire_when_they_should_and_only_then() -> None:
    tests = Path(__file__).parent / "alerts_test.yaml"
    command = [str(PROMTOOL), "test", "rules", str(tests)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    cases = [
        case for group in yaml.safe_load(tests.read_text())["tests"]
        for case in group["alert_rule_test"]
    ]  # fmt: skip
    firing = {case["alertname"] for case in cases if case.get("exp_alerts")}
    assert firing == {alert["alert"] for alert in alerts()}


@pytest.mark.skipif(not PROMTOOL.is_file(), reason="no .cache/bin/promtool: run `make prometheus`")
def test_rules_and_expressions_are_valid(tmp_path: Path) -> None:
    done = subprocess.run([str(PROMTOOL), "check", "rules", str(RULES)], capture_output=True)
    assert done.returncode == 0, done.stderr
    expressions = [filled(query.expression, 60, "1m") for query in queries()]
    rules = [{"record": f"panel:{n}", "expr": text} for n, text in enumerate(expressions)]
    path = tmp_path / "panels.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    command = [str(PROMTOOL), "check", "rules", "--lint=none", str(path)]
    checked = subprocess.run(command, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
