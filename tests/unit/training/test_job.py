"""DeepSpeed settings, metrics and events, and where a rank stands."""

import json
from pathlib import Path
from typing import Any

import pytest

from selfalign.errors import ConfigError
from selfalign.storage.open import open_store
from selfalign_training.events import MetricsLog
from selfalign_training.load import load_config
from selfalign_training.ranks import read_ranks
from selfalign_training.zero import deepspeed_settings, zero_stage


@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_deepspeed_settings_of_each_stage(config_file: Path, stage: int) -> None:
    config = load_config(config_file).model_copy(update={"zero_stage": stage})
    settings = deepspeed_settings(config, cuda=False)
    assert zero_stage(settings) == stage
    assert settings["train_batch_size"] == "auto"
    assert settings["zero_force_ds_cpu_optimizer"] is False
    assert "scheduler" not in settings


def test_the_papers_schedule_is_deepspeeds(config_file: Path) -> None:
    config = load_config(config_file).model_copy(update={"scheduler": "warmup_decay"})
    scheduler = deepspeed_settings(config, cuda=True)["scheduler"]
    assert (scheduler["type"], scheduler["params"]["warmup_type"]) == ("WarmupDecayLR", "log")


def test_metrics_go_on_behind_the_checkpoint(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store"))
    path = tmp_path / "metrics.jsonl"
    log = MetricsLog(path, store, "run/metrics.jsonl", after_step=0)
    for step in (1, 2, 3):
        log.append({"step": step, "loss": 1.0 / step})
    with path.open("a") as file:
        file.write('{"step": 4, "lo')
    resumed = MetricsLog(path, store, "run/metrics.jsonl", after_step=2)
    resumed.append({"step": 3, "loss": 0.5})
    resumed.upload()
    lines = store.get("run/metrics.jsonl").decode().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"step": 1, "loss": 1.0},
        {"step": 2, "loss": 0.5},
        {"step": 3, "loss": 0.5},
    ]


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"RANK": "2", "WORLD_SIZE": "2"}, "RANK 2 is not below WORLD_SIZE 2"),
        ({"RANK": "0", "WORLD_SIZE": "0"}, "RANK 0 is not below WORLD_SIZE 0"),
        ({"RANK": "x", "WORLD_SIZE": "2"}, "must be whole numbers"),
    ],
)
def test_an_impossible_place_is_refused(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, Any], message: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=message):
        read_ranks()
