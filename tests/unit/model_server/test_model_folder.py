"""Model folders that cannot be served are refused with the reason."""

import json
from pathlib import Path
from typing import Any

import pytest

from selfalign.errors import ModelError
from selfalign.model_server.transformer.causal_lm import CausalLM
from support.tiny_llama import save_tiny_llama


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architectures": ["GPT2LMHeadModel"]}, "GPT2LMHeadModel"),
        ({"hidden_act": "gelu"}, "hidden_act is 'gelu'"),
        ({"rope_parameters": {"rope_type": "yarn", "rope_theta": 1.0}}, "'yarn'"),
        ({"hidden_size": 32}, "config.json says"),
        ({"num_hidden_layers": 3}, "no tensor model.layers.2"),
        ({"num_attention_heads": None}, "not a LLaMA config"),
        ({"quantization_config": {"bits": 4}}, "quantization_config"),
    ],
)
def test_configs_that_do_not_fit(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    save_tiny_llama(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    with pytest.raises(ModelError, match=message):
        CausalLM(tmp_path)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_missing_and_broken_files(name: str, tmp_path: Path) -> None:
    save_tiny_llama(tmp_path)
    (tmp_path / name).write_bytes(b"\0not it")
    with pytest.raises(ModelError, match=name):
        CausalLM(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(ModelError, match=name):
        CausalLM(tmp_path)
