"""Metrics of rank 0, utilisation, and reporters that are not installed."""

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml

from selfalign.errors import ConfigError, PortInUse
from selfalign_training.configuration.reading import load_config
from selfalign_training.configuration.training_config import TrainingConfig
from selfalign_training.report.mfu import find_peak
from selfalign_training.report.prometheus import METRICS, Exporter
from selfalign_training.report.reporters import check_reporters

MANUAL = Path(__file__).resolve().parents[4] / "docs/operating/metrics.md"


def scrape(port: int) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def test_records_and_counts_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    exporter = Exporter(0)
    port = int(json.loads(capsys.readouterr().out)["text"].rpartition(" ")[2])
    exporter.show({"step": 3, "loss": 1.25, "mfu": None, "note": "text is passed over"})
    exporter.show({"step": 4, "grad_norm": 0.5})
    exporter.add(tokens=100, checkpoints=1)
    exporter.add(tokens=50)
    exporter.show_rows({"rows": 9, "sequences": 7, "dropped_empty": 2, "tokens": 70})
    shown = scrape(port)
    assert shown["selfalign_training_loss"] == 1.25
    assert shown["selfalign_training_step"] == 4
    assert shown["selfalign_training_tokens_total"] == 150
    assert shown["selfalign_training_checkpoints_total"] == 1
    assert shown['selfalign_training_rows{outcome="sequences"}'] == 7
    assert shown['selfalign_training_rows{outcome="dropped_empty"}'] == 2
    assert 'selfalign_training_rows{outcome="tokens"}' not in shown
    with pytest.raises(PortInUse, match=f"metrics_port: port {port}"):
        Exporter(port)
    exporter.close()


def test_every_metric_is_in_the_manual() -> None:
    manual = MANUAL.read_text()
    for metric in METRICS:
        total = "_total" if metric.kind == "counter" else ""
        assert f"`selfalign_training_{metric.field}{total}`" in manual


@pytest.fixture
def paper(tmp_path: Path, values: dict[str, Any]) -> TrainingConfig:
    path = tmp_path / "paper.yaml"
    changed = values | {"preset": "paper", "base_model": "huggyllama/llama-65b"}
    path.write_text(yaml.safe_dump(changed))
    return load_config(path)


def test_utilisation_of_known_cards(paper: TrainingConfig) -> None:
    peak = find_peak(paper, "NVIDIA H100 80GB HBM3", ranks=8, tokens_per_row=300)
    assert peak is not None
    # Frozen weights cost 4 FLOP a token: forward, and gradients of activations.
    assert peak.token == pytest.approx(4 * 65e9, rel=0.02)
    assert peak.share(8 * 989.4e12 / peak.token) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("device", "model"),
    [
        (None, "huggyllama/llama-65b"),
        ("NVIDIA T4", "huggyllama/llama-65b"),
        ("NVIDIA H200", "nobody/nothing"),
    ],
)
def test_no_utilisation_is_made_up(paper: TrainingConfig, device: str | None, model: str) -> None:
    config = paper.model_copy(update={"base_model": model})
    assert find_peak(config, device, ranks=1, tokens_per_row=300) is None


def test_a_reporter_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("selfalign_training.report.reporters.find_spec", lambda name: None)
    check_reporters(())
    with pytest.raises(ConfigError, match="report_to: wandb is not installed here; pip install"):
        check_reporters(("wandb",))
    monkeypatch.setattr(
        "selfalign_training.report.reporters.find_spec", lambda name: name == "tensorboardX"
    )
    check_reporters(("tensorboard",))
