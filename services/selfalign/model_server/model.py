"""The forward pass of LLaMA on the CPU: prompts in ragged batches, then one token a row."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch.nn.functional import linear, rms_norm, silu

from selfalign.model_server.attention import (
    PrefixKv,
    RaggedRows,
    prefix_attention,
    ragged_attention,
    step_attention,
)
from selfalign.model_server.kv_cache import SuffixCache
from selfalign.model_server.rotary import rotary_tables, rotate
from selfalign.model_server.weights import DTYPES, LayerWeights, load_config, load_weights

Attend = Callable[[int, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""Layer number, q (tokens, heads, d), k and v (tokens, kv_heads, d) -> (tokens, heads, d)."""


class KvSink(Protocol):
    """Takes the keys and values of a prefill."""

    def store(self, layer: int, keys: torch.Tensor, values: torch.Tensor) -> None:
        """Padded (rows, kv_heads, longest, head_dim)."""
        ...


@dataclass(frozen=True, slots=True)
class PrefixGroup:
    """The rows of a decoding step that share a prefix."""

    prefix: PrefixKv
    rows: torch.Tensor | None
    """Their numbers; None: all rows of the step."""


class LlamaModel:
    """One model in memory; not thread-safe."""

    def __init__(self, folder: Path, dtype: str = "bf16") -> None:
        """Loads the folder.

        Raises:
            ModelError: it is missing, incomplete or of another architecture.
        """
        self.config = load_config(folder)
        self.dtype = DTYPES[dtype]
        self._weights = load_weights(folder, self.config, self.dtype)
        tables = rotary_tables(self.config.rotary, self.config.max_positions, self.dtype)
        self._cosine, self._sine = (table.unsqueeze(1) for table in tables)

    @torch.inference_mode()
    def prefill(
        self, rows: Sequence[Sequence[int]], prefix: PrefixKv | None, sink: KvSink
    ) -> tuple[torch.Tensor, RaggedRows]:
        """Runs token rows that all continue `prefix`; their keys and values go to `sink`.

        Returns:
            Final hidden states, packed (tokens, hidden), and where the rows lie in them.
        """
        ragged = RaggedRows([len(row) for row in rows])
        start = prefix.length if prefix is not None else 0
        tokens = torch.tensor([token for row in rows for token in row])
        positions = torch.cat([torch.arange(start, start + length) for length in ragged.lengths])

        def attend(
            layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor
        ) -> torch.Tensor:
            keys, values = ragged.pad(key), ragged.pad(value)
            sink.store(layer, keys, values)
            own = ragged_attention(query, keys, values, ragged)
            if prefix is None:
                return own[0]
            return prefix_attention(query, prefix.keys[layer], prefix.values[layer], own)

        return self._run(tokens, positions, attend), ragged

    @torch.inference_mode()
    def decode(
        self,
        tokens: Sequence[int],
        positions: Sequence[int],
        cache: SuffixCache,
        groups: Sequence[PrefixGroup],
    ) -> torch.Tensor:
        """One step: the newest token of each row of `cache`.

        Args:
            tokens, positions: of each row; positions count the prefix.
            groups: prefixes and their rows; a row in no group has no prefix.

        Returns:
            Final hidden states (rows, hidden).
        """
        mask = cache.begin_step(self.dtype)

        def attend(
            layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor
        ) -> torch.Tensor:
            shared = [(g.rows, g.prefix.keys[layer], g.prefix.values[layer]) for g in groups]
            return step_attention(query, cache.append(layer, key, value), mask, shared)

        hidden = self._run(torch.tensor(tokens), torch.tensor(positions), attend)
        cache.end_step()
        return hidden

    @torch.inference_mode()
    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Scores of the next token, (rows, vocabulary), fp32."""
        return linear(hidden, self._weights.head).float()

    def _run(self, tokens: torch.Tensor, positions: torch.Tensor, attend: Attend) -> torch.Tensor:
        x = self._weights.embedding[tokens]
        cosine, sine = self._cosine[positions], self._sine[positions]
        for number, layer in enumerate(self._weights.layers):
            x = self._layer(number, layer, x, (cosine, sine), attend)
        return rms_norm(x, (self.config.hidden,), self._weights.norm, self.config.norm_eps)

    def _layer(
        self,
        number: int,
        layer: LayerWeights,
        x: torch.Tensor,
        rotary: tuple[torch.Tensor, torch.Tensor],
        attend: Attend,
    ) -> torch.Tensor:
        config = self.config
        shape, eps = (config.hidden,), config.norm_eps
        mixed = linear(rms_norm(x, shape, layer.attention_norm, eps), layer.qkv, layer.qkv_bias)
        mixed = mixed.view(len(x), -1, config.head_dim)
        turned = rotate(mixed[:, : config.heads + config.kv_heads], *rotary)
        attended = attend(
            number,
            turned[:, : config.heads],
            turned[:, config.heads :],
            mixed[:, config.heads + config.kv_heads :],
        )
        attended = attended.to(self.dtype).reshape(len(x), -1)
        x = x + linear(attended, layer.output, layer.output_bias)
        inner = linear(rms_norm(x, shape, layer.mlp_norm, eps), layer.gate_up, layer.gate_up_bias)
        gate, up = inner.chunk(2, dim=-1)
        return x + linear(silu(gate) * up, layer.down, layer.down_bias)
