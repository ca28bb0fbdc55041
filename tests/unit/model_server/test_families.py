"""A family is one record: what it says is enough to run a model as transformers runs it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import Qwen3Config, Qwen3ForCausalLM

from selfalign.errors import ModelError
from selfalign.model_server.families.base import Family, LayerTensors
from selfalign.model_server.families.llama import LLAMA
from selfalign.model_server.transformer.causal_lm import CausalLM
from selfalign.model_server.transformer.kv_cache import PrefixBuffer
from support.tiny_llama import save_tiny_llama

# Not registered: the test gives it to the model itself.
NORMED_HEADS = Family(
    name="Qwen3",
    architecture="Qwen3ForCausalLM",
    model_type="qwen3",
    layer=LayerTensors(query_norm="self_attn.q_norm", key_norm="self_attn.k_norm"),
    required={"use_sliding_window": False},
)
TOKENS = [5, 17, 3, 200, 40, 41, 42, 7, 9, 11]


def save_qwen3(folder: Path, **changes: Any) -> Any:
    """A tiny random model whose head norms are not all ones, and its fp32 reference."""
    shape = {
        "vocab_size": 258,
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 32,  # not hidden_size / heads
        "max_position_embeddings": 256,
        "initializer_range": 0.5,
        "eos_token_id": 1,
        "pad_token_id": 1,
        "bos_token_id": 0,
    }
    torch.manual_seed(7)
    model: Any = Qwen3ForCausalLM(Qwen3Config(**{**shape, **changes}))
    for name, parameter in model.named_parameters():
        if name.endswith("norm.weight"):
            torch.nn.init.uniform_(parameter, 0.5, 1.5)
    model.float().eval().save_pretrained(folder)
    return model


def logits(model: CausalLM, tokens: list[int]) -> torch.Tensor:
    """(tokens, vocabulary)"""
    buffer = PrefixBuffer(model.config, len(tokens), model.dtype)
    hidden, _ = model.prefill([tokens], None, buffer)
    return model.logits(hidden)


@pytest.mark.parametrize("tied", [True, False])
def test_norms_of_heads_and_a_head_dim_of_its_own(tied: bool, tmp_path: Path) -> None:
    reference = save_qwen3(tmp_path, tie_word_embeddings=tied)
    ours = logits(CausalLM(tmp_path, "fp32", (LLAMA, NORMED_HEADS)), TOKENS)
    with torch.inference_mode():
        theirs = reference(torch.tensor([TOKENS])).logits[0]
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_what_a_family_requires_of_the_configuration(tmp_path: Path) -> None:
    save_qwen3(tmp_path, use_sliding_window=True)
    with pytest.raises(ModelError, match="use_sliding_window is True; this server needs False"):
        CausalLM(tmp_path, "fp32", (NORMED_HEADS,))


def test_a_family_that_is_not_registered_is_refused_with_those_that_are(tmp_path: Path) -> None:
    save_qwen3(tmp_path)
    with pytest.raises(ModelError, match=r"\['Qwen3ForCausalLM'\]; .* LlamaForCausalLM only"):
        CausalLM(tmp_path, "fp32", (LLAMA,))


def test_other_names_of_the_tensors(tmp_path: Path) -> None:
    save_tiny_llama(tmp_path)
    expected = logits(CausalLM(tmp_path, "fp32"), TOKENS)
    path = tmp_path / "model.safetensors"
    tensors = {
        name.replace("model.layers.", "h.").replace("self_attn.o_proj", "attention.out"): tensor
        for name, tensor in load_file(path).items()
    }
    save_file(tensors, path)
    layer = replace(LLAMA.layer, output="attention.out")
    renamed = replace(LLAMA, layers="h.{number}", layer=layer)
    torch.testing.assert_close(logits(CausalLM(tmp_path, "fp32", (renamed,)), TOKENS), expected)


def test_a_bias_that_only_a_part_of_a_fused_projection_has(tmp_path: Path) -> None:
    save_tiny_llama(tmp_path, attention_bias=True)
    path = tmp_path / "model.safetensors"
    tensors = load_file(path)
    del tensors["model.layers.1.self_attn.k_proj.bias"]
    save_file(tensors, path)
    with pytest.raises(ModelError, match=r"no tensor model\.layers\.1\.self_attn\.k_proj\.bias"):
        CausalLM(tmp_path)
