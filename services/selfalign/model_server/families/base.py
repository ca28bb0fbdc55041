"""What may differ between model families that the transformer of this server can run.

The transformer is the decoder that LLaMA made common: RMSNorm before attention and before the MLP,
rotary positions, grouped queries, a gated SiLU MLP. What differs inside that frame is data: names
of tensors, norms of queries and keys, and settings of config.json that this server must refuse.
A family is one `Family` record in a file of its own, and one entry in `register.py`.

The rest is read for every family alike: shapes, `head_dim`, tied embeddings, the kind of rotary
embedding and end-of-sequence tokens from config.json; whether a projection has a bias, from whether
the checkpoint has the tensor.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class LayerTensors:
    """Where a decoder layer's tensors are, below `Family.layers`; `.weight` or `.bias` follows.

    Shapes are those of the `.weight`s, as torch.nn.Linear has them: (outputs, inputs).
    """

    attention_norm: str = "input_layernorm"
    """(hidden,)"""
    query: str = "self_attn.q_proj"
    """(heads * head_dim, hidden)"""
    key: str = "self_attn.k_proj"
    """(kv_heads * head_dim, hidden), as is `value`."""
    value: str = "self_attn.v_proj"
    query_norm: str | None = None
    """(head_dim,): an RMSNorm of every query head before its rotation; None: there is none."""
    key_norm: str | None = None
    """The same of every key head; a family has both norms or neither."""
    output: str = "self_attn.o_proj"
    """(hidden, heads * head_dim)"""
    mlp_norm: str = "post_attention_layernorm"
    """(hidden,)"""
    gate: str = "mlp.gate_proj"
    """(intermediate, hidden), as is `up`."""
    up: str = "mlp.up_proj"
    down: str = "mlp.down_proj"
    """(hidden, intermediate)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One model family. Defaults are LLaMA's."""

    name: str
    """For people: it stands in error messages."""
    architecture: str
    """`architectures` of config.json, such as LlamaForCausalLM."""
    model_type: str
    """`model_type` of config.json, where `architectures` is missing."""
    embedding: str = "model.embed_tokens"
    """(vocabulary, hidden)"""
    layers: str = "model.layers.{number}"
    layer: LayerTensors = LayerTensors()
    norm: str = "model.norm"
    """(hidden,)"""
    head: str = "lm_head"
    """(vocabulary, hidden); the embedding's weight serves if config.json ties them."""
    required: Mapping[str, object] = field(default_factory=dict)
    """Keys of config.json that must be missing or have this value, besides those in REQUIRED."""


REQUIRED: Mapping[str, object] = {"hidden_act": "silu", "quantization_config": None}
"""What config.json must say of any family: the transformer computes nothing else."""
