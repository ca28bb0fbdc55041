"""Digests of a configuration: what changes them, and that they are those of earlier versions."""

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from selfalign.training_settings.presets import apply_preset
from selfalign_training.configuration.identity import config_digest, job_key
from selfalign_training.configuration.precision import with_precision
from selfalign_training.configuration.reading import load_config
from selfalign_training.configuration.training_config import TrainingConfig

CONFIGS = Path(__file__).resolve().parents[4] / "training-job" / "configs"


def test_where_a_job_runs_is_no_part_of_it(config_file: Path) -> None:
    config = load_config(config_file)
    moved = config.model_copy(update={"work_dir": Path("/elsewhere"), "metrics_port": 9400})
    other = config.model_copy(update={"seed": config.seed + 1})
    assert config_digest(moved) == config_digest(config) != config_digest(other)


@pytest.mark.parametrize(
    ("name", "digest", "key"),
    [
        ("small", "4375e04bdece0e35", "a07f62cc817a23c2"),
        ("paper-engrave", "299c66da77ec8358", "b6b63427c420d736"),
        ("paper-distill", "ba98e54d81d160fe", "fba35d1b15fd8401"),
    ],
)
def test_jobs_find_the_checkpoints_of_version_0_1(
    name: str, digest: str, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The digests that version 0.1, which trained no end token and computed in bf16 on every
    processor, made of these files."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)
    values: dict[str, Any] = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text())
    values |= {"learning_rate": "2e-4", "fingerprint": {"seed": 42}}
    values["layout"]["end_of_turn"] = "marker"
    config = with_precision(TrainingConfig.model_validate(apply_preset(values)))
    assert config_digest(config) == digest
    assert job_key(config, "0123456789abcdef") == key
