"""Shapes from config.json and the parameters that follow."""

import json
from pathlib import Path
from typing import Any

import pytest

from selfalign.errors import ModelError
from selfalign_training.estimate.known import KNOWN, find_shape, read_shape

TINY: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 400,
}


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        # The totals of the models' own safetensors files.
        ("huggyllama/llama-7b", 6_738_415_616),
        ("huggyllama/llama-13b", 13_015_864_320),
        ("huggyllama/llama-30b", 32_528_943_616),
        ("huggyllama/llama-65b", 65_285_660_672),
        ("meta-llama/Llama-2-70b-hf", 68_976_648_192),
        ("meta-llama/meta-llama-3-70b", 70_553_706_496),
    ],
)
def test_listed_models_have_their_published_size(name: str, parameters: int) -> None:
    assert find_shape(name).parameters == parameters


def test_lora_of_the_papers_model() -> None:
    shape = KNOWN["huggyllama/llama-65b"]
    matrices = shape.adapter_matrices(16, ("q_proj", "k_proj", "v_proj", "o_proj"))
    assert shape.layers * sum(matrices) == 80 * 16 * 4 * (8192 + 8192)


def test_grouped_heads_and_their_own_width_are_read(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(TINY | {"num_key_value_heads": 2, "head_dim": 32}))
    shape = read_shape(path, "tiny")
    assert shape.linears()["q_proj"] == (64, 128)
    assert shape.linears()["k_proj"] == (64, 64)
    assert shape.linears()["o_proj"] == (128, 64)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not a model's configuration"),
        ("[]", "not a model's configuration"),
        ("{}", "no 'model_type'"),
        (
            json.dumps(TINY | {"model_type": "mamba"}),
            "model_type is 'mamba'; expected",
        ),
        (json.dumps({"model_type": "llama"}), "no 'num_attention_heads'"),
        (
            json.dumps(TINY | {"hidden_size": "wide"}),
            "hidden_size is 'wide'; expected a number",
        ),
    ],
)
def test_a_bad_configuration_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ModelError, match=r"base_model: .*config\.json") as error:
        find_shape(str(tmp_path))
    assert message in str(error.value)


def test_an_unknown_model_is_refused_with_the_remedy() -> None:
    with pytest.raises(ModelError, match=r"nobody/nothing .*`hf download .* huggyllama/llama-65b"):
        find_shape("nobody/nothing")
