"""The DeepSpeed settings that a configuration asks for."""

from pathlib import Path

import pytest

from selfalign_training.configuration.reading import load_config
from selfalign_training.configuration.zero import deepspeed_settings, section, zero_stage


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
    scheduler = section(deepspeed_settings(config, cuda=True), "scheduler")
    assert scheduler["type"] == "WarmupDecayLR"
    assert section(scheduler, "params")["warmup_type"] == "log"
