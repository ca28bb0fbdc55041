"""A checkpoint's tensors as the forward pass wants them: checked, and partly fused."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from selfalign.errors import ModelError
from selfalign.model_server.transformer.model_config import ModelConfig
from selfalign.model_server.transformer.model_folder import read_tensors
from selfalign.model_server.transformer.projection import Projection

PACKED_BYTES = 2 << 30
"""Most memory for packed copies; a larger model has none, and its weights stay as they are."""
PACKED_FOR = 32
"""Rows that copies are made for: a full decoding step."""


@dataclass(frozen=True, slots=True)
class LayerWeights:
    """One decoder layer.

    Projections of the same input are fused, outputs one after the other: a decoding step is bound
    by memory and by calls, and one large product reads the input once.
    """

    attention_norm: torch.Tensor
    """(hidden,)"""
    qkv: Projection
    """((heads + 2 kv_heads) * head_dim, hidden): all queries, then all keys, then all values."""
    head_norm: torch.Tensor | None
    """(heads + kv_heads, head_dim): scales of the RMSNorm of each query and key head, if any."""
    output: Projection
    """(hidden, heads * head_dim)"""
    mlp_norm: torch.Tensor
    """(hidden,)"""
    gate_up: Projection
    """(2 intermediate, hidden): the gate, then the up projection."""
    down: Projection
    """(hidden, intermediate)"""

    def projections(self) -> tuple[Projection, ...]:
        """All four."""
        return self.qkv, self.output, self.gate_up, self.down


@dataclass(frozen=True, slots=True)
class ModelWeights:
    """All weights in one dtype."""

    embedding: torch.Tensor
    """(vocabulary, hidden)"""
    layers: tuple[LayerWeights, ...]
    norm: torch.Tensor
    """(hidden,)"""
    head: Projection
    """(vocabulary, hidden); of the embedding itself if the two are tied."""


def load_weights(folder: Path, config: ModelConfig, dtype: torch.dtype) -> ModelWeights:
    """Reads, checks and fuses the weights.

    Raises:
        ModelError: a tensor is missing or has another shape than config.json says.
    """
    family = config.family
    checkpoint = _Checkpoint(folder, read_tensors(folder, dtype))
    embedding = checkpoint.weight(family.embedding, config.vocabulary, config.hidden)
    untied = not config.tied or checkpoint.has(family.head)
    head = checkpoint.weight(family.head, config.vocabulary, config.hidden) if untied else embedding
    return _packed(
        ModelWeights(
            embedding=embedding,
            layers=tuple(_layer(checkpoint, config, number) for number in range(config.layers)),
            norm=checkpoint.weight(family.norm, config.hidden),
            head=Projection(head),
        )
    )


def _packed(weights: ModelWeights) -> ModelWeights:
    """With copies for decoding steps, if they are small."""
    projections = [weights.head, *(one for layer in weights.layers for one in layer.projections())]
    if sum(projection.bytes for projection in projections) > PACKED_BYTES:
        return weights
    return replace(
        weights,
        head=weights.head.pack(PACKED_FOR),
        layers=tuple(
            replace(
                layer,
                qkv=layer.qkv.pack(PACKED_FOR),
                output=layer.output.pack(PACKED_FOR),
                gate_up=layer.gate_up.pack(PACKED_FOR),
                down=layer.down.pack(PACKED_FOR),
            )
            for layer in weights.layers
        ),
    )


@dataclass(frozen=True, slots=True)
class _Checkpoint:
    """Tensors by name, and the folder for messages."""

    folder: Path
    tensors: dict[str, torch.Tensor]

    def has(self, name: str) -> bool:
        """Whether there is a weight of this name."""
        return f"{name}.weight" in self.tensors

    def weight(self, name: str, *shape: int) -> torch.Tensor:
        """A weight of the shape that config.json gives it."""
        return self._tensor(f"{name}.weight", shape)

    def linear(self, inputs: int, *parts: tuple[str, int]) -> Projection:
        """The projections `parts`, (name, outputs) each, under one another in one matrix."""
        weights = [self.weight(name, outputs, inputs) for name, outputs in parts]
        biased = [f"{name}.bias" in self.tensors for name, _ in parts]
        if not any(biased):
            return Projection(_joined(weights))
        # A bias that only some of them have means a checkpoint that lost tensors.
        biases = [self._tensor(f"{name}.bias", (outputs,)) for name, outputs in parts]
        return Projection(_joined(weights), _joined(biases))

    def _tensor(self, name: str, shape: tuple[int, ...]) -> torch.Tensor:
        tensor = self.tensors.get(name)
        if tensor is None:
            raise ModelError(f"{self.folder}: the checkpoint has no tensor {name}")
        if tuple(tensor.shape) != shape:
            raise ModelError(
                f"{self.folder}: {name} has shape {tuple(tensor.shape)}, config.json says {shape}"
            )
        return tensor


def _layer(checkpoint: _Checkpoint, config: ModelConfig, number: int) -> LayerWeights:
    names = config.family.layer
    at = config.family.layers.format(number=number)
    hidden, inner = config.hidden, config.intermediate
    queries, keys = config.heads * config.head_dim, config.kv_heads * config.head_dim
    qkv = (
        (f"{at}.{names.query}", queries),
        (f"{at}.{names.key}", keys),
        (f"{at}.{names.value}", keys),
    )
    gate_up = ((f"{at}.{names.gate}", inner), (f"{at}.{names.up}", inner))
    return LayerWeights(
        attention_norm=checkpoint.weight(f"{at}.{names.attention_norm}", hidden),
        qkv=checkpoint.linear(hidden, *qkv),
        head_norm=_head_norm(checkpoint, config, at),
        output=checkpoint.linear(queries, (f"{at}.{names.output}", hidden)),
        mlp_norm=checkpoint.weight(f"{at}.{names.mlp_norm}", hidden),
        gate_up=checkpoint.linear(hidden, *gate_up),
        down=checkpoint.linear(inner, (f"{at}.{names.down}", hidden)),
    )


def _head_norm(checkpoint: _Checkpoint, config: ModelConfig, at: str) -> torch.Tensor | None:
    """The scales of query and key heads, repeated for each head, so that one call norms both."""
    names = config.family.layer
    if names.query_norm is None or names.key_norm is None:
        return None
    query = checkpoint.weight(f"{at}.{names.query_norm}", config.head_dim)
    key = checkpoint.weight(f"{at}.{names.key_norm}", config.head_dim)
    return torch.cat([query.expand(config.heads, -1), key.expand(config.kv_heads, -1)])


def _joined(parts: list[torch.Tensor]) -> torch.Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)
