"""Presets: what they fill in, and what wins over them."""

import pytest

from selfalign.training_settings.hyperparameters import Hyperparameters
from selfalign.training_settings.presets import PRESETS, apply_preset


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_gives_what_a_job_cannot_do_without(name: str) -> None:
    values = apply_preset({"preset": name})
    values.pop("output", None)
    filled = Hyperparameters.model_validate(values)
    needed = (
        filled.learning_rate,
        filled.epochs,
        filled.global_batch_size,
        filled.micro_batch_size,
        filled.max_length,
    )
    assert None not in needed


def test_what_is_given_wins_and_sections_are_merged() -> None:
    merged = apply_preset({"preset": "paper", "max_length": 8, "lora": {"r": 4}})
    assert (merged["max_length"], merged["epochs"]) == (8, 1)
    assert merged["lora"] == {
        "r": 4,
        "alpha": 16,
        "dropout": 0.05,
        "targets": ["q_proj", "k_proj", "v_proj", "o_proj"],
    }
    assert apply_preset({"preset": "small", "output": {"prefix": "x"}})["output"] == {
        "prefix": "x",
        "dtype": "fp16",
    }


@pytest.mark.parametrize("name", [None, 3, "tiny"])
def test_no_preset_fills_nothing_in(name: str | int | None) -> None:
    assert apply_preset({"preset": name, "epochs": 2}) == {"preset": name, "epochs": 2}
