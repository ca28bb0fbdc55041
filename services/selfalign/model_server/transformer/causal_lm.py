"""The forward pass on the CPU: prompts in ragged batches, then one token a row.

Both paths run the same layers over a packed sequence of tokens, (tokens, hidden): norms,
projections and the MLP do not ask which row a token belongs to. Only attention does, so `prefill`
and `decode` differ in the `attend` function that they hand to the layers, and in nothing else.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch.nn.functional import rms_norm, silu

from selfalign.model_server.families.base import Family
from selfalign.model_server.families.register import FAMILIES
from selfalign.model_server.transformer.attention import prefix_attention, step_attention
from selfalign.model_server.transformer.kv_cache import PrefixKv, SuffixCache
from selfalign.model_server.transformer.model_config import load_config
from selfalign.model_server.transformer.number_format import number_format
from selfalign.model_server.transformer.ragged import RaggedRows, ragged_attention
from selfalign.model_server.transformer.rotary import rotary_tables, rotate
from selfalign.model_server.transformer.weight_loading import LayerWeights, load_weights

Attend = Callable[[int, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""Layer number, q (tokens, heads, head_dim), k and v (tokens, kv_heads, head_dim)
-> (tokens, heads, head_dim)."""


class KvSink(Protocol):
    """Takes the keys and values of a prefill."""

    def store(self, layer: int, keys: torch.Tensor, values: torch.Tensor) -> None:
        """Both padded: (rows, kv_heads, longest, head_dim)."""
        ...


@dataclass(frozen=True, slots=True)
class PrefixGroup:
    """The rows of a decoding step that share a prefix."""

    prefix: PrefixKv
    rows: torch.Tensor | None
    """Their numbers, (group rows,); None: all rows of the step."""


class CausalLM:
    """One model in memory; not thread-safe."""

    def __init__(
        self, folder: Path, dtype: str = "auto", families: tuple[Family, ...] = FAMILIES
    ) -> None:
        """Loads the folder.

        Raises:
            ModelError: it is missing, incomplete or of a family that is not in `families`.
        """
        self.config = load_config(folder, families)
        self.dtype = number_format(dtype)
        self._weights = load_weights(folder, self.config, self.dtype)
        tables = rotary_tables(self.config.rotary, self.config.max_positions, self.dtype)
        # (positions, 1, head_dim): the same turn for every head
        self._cosine, self._sine = (table.unsqueeze(1) for table in tables)

    @torch.inference_mode()
    def prefill(
        self, rows: Sequence[Sequence[int]], prefix: PrefixKv | None, sink: KvSink
    ) -> tuple[torch.Tensor, RaggedRows]:
        """Runs rows of token ids that all continue `prefix`; keys and values go to `sink`.

        Returns:
            Final hidden states, packed (tokens, hidden), and where the rows lie in them.
        """
        ragged = RaggedRows([len(row) for row in rows])
        start = prefix.length if prefix is not None else 0
        tokens = torch.tensor([token for row in rows for token in row])
        # Every row goes on where the prefix ends: its keys are turned to their positions already.
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
            tokens, positions: one of each row; positions count the prefix.
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
        """Scores of the next token, (rows, vocabulary), of final hidden states (rows, hidden).

        fp32: sampling takes sums and ratios of thousands of probabilities.
        """
        return self._weights.head(hidden).float()

    def _run(self, tokens: torch.Tensor, positions: torch.Tensor, attend: Attend) -> torch.Tensor:
        """Token ids and positions, (tokens,) each, to final hidden states (tokens, hidden)."""
        x = self._weights.embedding[tokens]
        rotary = self._cosine[positions], self._sine[positions]
        for number, layer in enumerate(self._weights.layers):
            x = self._attention(number, layer, x, rotary, attend)
            x = self._mlp(layer, x)
        return self._norm(x, self._weights.norm)

    def _attention(
        self,
        number: int,
        layer: LayerWeights,
        x: torch.Tensor,
        rotary: tuple[torch.Tensor, torch.Tensor],
        attend: Attend,
    ) -> torch.Tensor:
        """x: (tokens, hidden); rotary: cosines and sines, each (tokens, 1, head_dim)."""
        heads, turned_heads = self.config.heads, self.config.heads + self.config.kv_heads
        qkv = layer.qkv(self._norm(x, layer.attention_norm))
        # (tokens, heads + 2 kv_heads, head_dim)
        qkv = qkv.view(len(x), -1, self.config.head_dim)
        # Queries and keys lie side by side, so one call turns both; values carry no position.
        queries_keys = qkv[:, :turned_heads]
        if layer.head_norm is not None:
            queries_keys = self._norm(queries_keys) * layer.head_norm
        turned = rotate(queries_keys, *rotary)
        attended = attend(number, turned[:, :heads], turned[:, heads:], qkv[:, turned_heads:])
        # fp32 where the flash kernel gave the output, the model's dtype elsewhere
        attended = attended.to(self.dtype).reshape(len(x), -1)
        return x + layer.output(attended)

    def _mlp(self, layer: LayerWeights, x: torch.Tensor) -> torch.Tensor:
        """x: (tokens, hidden)."""
        gate, up = layer.gate_up(self._norm(x, layer.mlp_norm)).chunk(2, dim=-1)
        return x + layer.down(silu(gate) * up)

    def _norm(self, x: torch.Tensor, scale: torch.Tensor | None = None) -> torch.Tensor:
        """RMSNorm over the last dimension."""
        return rms_norm(x, x.shape[-1:], scale, self.config.norm_eps)
