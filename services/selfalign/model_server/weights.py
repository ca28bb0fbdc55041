"""LLaMA weights and configuration from a folder in the Hugging Face layout."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from selfalign.errors import ModelError
from selfalign.model_server.rotary import RotarySettings, rotary_settings

DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}


@dataclass(frozen=True, slots=True)
class LlamaConfig:
    """The shape of a LLaMA model."""

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int
    max_positions: int
    norm_eps: float
    tied: bool
    rotary: RotarySettings
    eos_token_ids: frozenset[int]


@dataclass(frozen=True, slots=True)
class LayerWeights:
    """One decoder layer; q, k and v in one matrix, gate and up in another."""

    attention_norm: torch.Tensor
    qkv: torch.Tensor
    qkv_bias: torch.Tensor | None
    output: torch.Tensor
    output_bias: torch.Tensor | None
    mlp_norm: torch.Tensor
    gate_up: torch.Tensor
    gate_up_bias: torch.Tensor | None
    down: torch.Tensor
    down_bias: torch.Tensor | None


@dataclass(frozen=True, slots=True)
class LlamaWeights:
    """All weights in one dtype."""

    embedding: torch.Tensor
    layers: tuple[LayerWeights, ...]
    norm: torch.Tensor
    head: torch.Tensor


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object of a model folder.

    Raises:
        ModelError: it is missing or not an object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{path}: cannot be read ({error}); expected a model folder in the Hugging Face layout"
        ) from error
    if not isinstance(value, dict):
        raise ModelError(f"{path}: expected a JSON object, found {type(value).__name__}")
    return value


def load_config(folder: Path) -> LlamaConfig:
    """Reads config.json and generation_config.json.

    Raises:
        ModelError: missing, or not a LLaMA architecture that this server can run.
    """
    path = folder / "config.json"
    raw = read_json(path)
    architectures = raw.get("architectures") or [raw.get("model_type")]
    if architectures not in (["LlamaForCausalLM"], ["llama"]):
        raise ModelError(
            f"{path}: architectures is {architectures}; this server runs LlamaForCausalLM only. "
            "Serve other models with TGI and give its address instead."
        )
    for key, expected in (("hidden_act", "silu"), ("quantization_config", None)):
        if raw.get(key, expected) != expected:
            raise ModelError(f"{path}: {key} is {raw[key]!r}; this server needs {expected!r}")
    generation = folder / "generation_config.json"
    eos = (read_json(generation) if generation.exists() else raw).get(
        "eos_token_id", raw.get("eos_token_id")
    )
    try:
        heads = int(raw["num_attention_heads"])
        head_dim = int(raw.get("head_dim") or raw["hidden_size"] // heads)
        return LlamaConfig(
            layers=int(raw["num_hidden_layers"]),
            hidden=int(raw["hidden_size"]),
            heads=heads,
            kv_heads=int(raw.get("num_key_value_heads") or heads),
            head_dim=head_dim,
            vocabulary=int(raw["vocab_size"]),
            max_positions=int(raw["max_position_embeddings"]),
            norm_eps=float(raw.get("rms_norm_eps", 1e-6)),
            tied=bool(raw.get("tie_word_embeddings", False)),
            rotary=rotary_settings(raw, head_dim, path),
            eos_token_ids=frozenset(
                [] if eos is None else [eos] if isinstance(eos, int) else map(int, eos)
            ),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path}: {type(error).__name__} {error}; not a LLaMA config") from error


def read_tensors(folder: Path, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """Every tensor of a single or sharded checkpoint, converted to `dtype`.

    Raises:
        ModelError: no safetensors, or a shard is missing or broken.
    """
    index = folder / "model.safetensors.index.json"
    single = folder / "model.safetensors"
    if index.exists():
        names = sorted(set(read_json(index).get("weight_map", {}).values()))
    elif single.exists():
        names = [single.name]
    else:
        raise ModelError(f"{folder}: no model.safetensors and no {index.name} in it")
    tensors: dict[str, torch.Tensor] = {}
    for name in names:
        try:
            with safe_open(str(folder / name), framework="pt") as shard:
                for key in shard.keys():  # noqa: SIM118 - not a dict
                    tensors[key] = shard.get_tensor(key).to(dtype)
        except (OSError, SafetensorError) as error:
            raise ModelError(f"{folder / name}: cannot be read ({error})") from error
    return tensors


def load_weights(folder: Path, config: LlamaConfig, dtype: torch.dtype) -> LlamaWeights:
    """Reads and fuses the weights.

    Raises:
        ModelError: a tensor is missing or has another shape than config.json says.
    """
    tensors = read_tensors(folder, dtype)

    def take(name: str, *shape: int) -> torch.Tensor:
        tensor = tensors.get(name)
        if tensor is None:
            raise ModelError(f"{folder}: the checkpoint has no tensor {name}")
        if tuple(tensor.shape) != shape:
            raise ModelError(
                f"{folder}: {name} has shape {tuple(tensor.shape)}, config.json says {shape}"
            )
        return tensor

    def bias(names: list[str]) -> torch.Tensor | None:
        found = [tensors[name] for name in names if name in tensors]
        return torch.cat(found) if len(found) == len(names) else None

    hidden = config.hidden
    gate = tensors.get("model.layers.0.mlp.gate_proj.weight")
    inner = 0 if gate is None else gate.shape[0]
    queries = config.heads * config.head_dim
    keys = config.kv_heads * config.head_dim
    layers = []
    for number in range(config.layers):
        at = f"model.layers.{number}"
        attention, mlp = f"{at}.self_attn", f"{at}.mlp"
        qkv = [
            take(f"{attention}.{name}_proj.weight", size, hidden)
            for name, size in (("q", queries), ("k", keys), ("v", keys))
        ]
        gate_up = [take(f"{mlp}.{name}_proj.weight", inner, hidden) for name in ("gate", "up")]
        layers.append(
            LayerWeights(
                attention_norm=take(f"{at}.input_layernorm.weight", hidden),
                qkv=torch.cat(qkv),
                qkv_bias=bias([f"{attention}.{name}_proj.bias" for name in "qkv"]),
                output=take(f"{attention}.o_proj.weight", hidden, queries),
                output_bias=bias([f"{attention}.o_proj.bias"]),
                mlp_norm=take(f"{at}.post_attention_layernorm.weight", hidden),
                gate_up=torch.cat(gate_up),
                gate_up_bias=bias([f"{mlp}.gate_proj.bias", f"{mlp}.up_proj.bias"]),
                down=take(f"{mlp}.down_proj.weight", hidden, inner),
                down_bias=bias([f"{mlp}.down_proj.bias"]),
            )
        )
    embedding = take("model.embed_tokens.weight", config.vocabulary, hidden)
    untied = not config.tied or "lm_head.weight" in tensors
    head = take("lm_head.weight", config.vocabulary, hidden) if untied else embedding
    return LlamaWeights(embedding, tuple(layers), take("model.norm.weight", hidden), head)
