"""Attention in two parts, merged by their log-sum-exp (cascade attention).

All rows of a step read the keys of their common prefix in one call, each row its own suffix in
another; the softmax over both is exact, since each part returns its log-sum-exp.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch

Partial = tuple[torch.Tensor, torch.Tensor]
"""Output (..., head_dim) and the log-sum-exp of its scores (...), fp32."""


@dataclass(frozen=True, slots=True)
class PrefixKv:
    """Keys and values of a prefix: each (layers, kv_heads, length, head_dim)."""

    keys: torch.Tensor
    values: torch.Tensor

    @property
    def length(self) -> int:
        """Tokens."""
        return self.keys.shape[2]


def flash(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    *,
    causal: bool = False,
    mask: torch.Tensor | None = None,
) -> Partial:
    """Attention of (batch, heads, length, head_dim) tensors with its log-sum-exp."""
    output, lse = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
        query, key, value, 0.0, causal, attn_mask=mask
    )
    return output, lse


def merge(first: Partial, second: Partial) -> torch.Tensor:
    """The softmax over the keys of both parts."""
    # exp(a) / (exp(a) + exp(b)), without overflow
    weight = torch.sigmoid(first[1] - second[1]).unsqueeze(-1)
    return torch.lerp(second[0].float(), first[0].float(), weight)


def prefix_attention(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> Partial:
    """Every query sees the whole prefix.

    Args:
        query: (tokens, heads, head_dim); any number of rows' tokens.
        key: (kv_heads, length, head_dim), as is value.

    Returns:
        Output (tokens, heads, head_dim) and log-sum-exp (tokens, heads).
    """
    tokens, heads, size = query.shape
    kv_heads = key.shape[0]
    folded = query.view(tokens, kv_heads, -1, size).transpose(0, 1).reshape(1, kv_heads, -1, size)
    output, lse = flash(folded, key.unsqueeze(0), value.unsqueeze(0))
    output = output.view(kv_heads, tokens, -1, size).transpose(0, 1).reshape(tokens, heads, size)
    return output, lse.view(kv_heads, tokens, -1).transpose(0, 1).reshape(tokens, heads)


def suffix_attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor
) -> Partial:
    """One new token of each row against the row's own suffix.

    Args:
        query: (rows, heads, head_dim).
        key: (rows, kv_heads, length, head_dim), as is value.
        mask: (rows, 1, 1, length), added to the scores: 0 or -inf.
    """
    rows, heads, size = query.shape
    folded = query.view(rows, key.shape[1], -1, size)
    output, lse = flash(folded, key, value, mask=mask)
    return output.reshape(rows, heads, size), lse.reshape(rows, heads)


class RaggedRows:
    """Rows of different lengths, packed one after the other along the token dimension."""

    def __init__(self, lengths: Sequence[int]) -> None:
        self.lengths = tuple(lengths)
        self.longest = max(lengths)
        ends = [0]
        for length in lengths:
            ends.append(ends[-1] + length)
        self.last = torch.tensor([end - 1 for end in ends[1:]])
        """Place of each row's last token."""
        places = [
            row * self.longest + step
            for row, length in enumerate(lengths)
            for step in range(length)
        ]
        self._places = torch.tensor(places)
        self._full = all(length == self.longest for length in lengths)
        self.starts = tuple(start for start, _ in pairwise(ends))

    def pad(self, packed: torch.Tensor) -> torch.Tensor:
        """(tokens, heads, head_dim) to (rows, heads, longest, head_dim), zeros on the right."""
        rows = len(self.lengths)
        if self._full:
            padded = packed.view(rows, self.longest, *packed.shape[1:])
        else:
            padded = packed.new_zeros(rows * self.longest, *packed.shape[1:])
            padded[self._places] = packed
            padded = padded.view(rows, self.longest, *packed.shape[1:])
        return padded.transpose(1, 2)

    def pack(self, padded: torch.Tensor) -> torch.Tensor:
        """(rows, heads, longest, ...) to (tokens, heads, ...)."""
        flat = padded.transpose(1, 2).flatten(0, 1)
        return flat if self._full else flat[self._places]


def ragged_attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, rows: RaggedRows
) -> Partial:
    """Causal attention inside each row; key and value are padded already.

    Args:
        query: packed (tokens, heads, head_dim).
        key: padded (rows, kv_heads, longest, head_dim), as is value.
    """
    padded = rows.pad(query)
    repeats = padded.shape[1] // key.shape[1]
    if repeats > 1:
        key = key.repeat_interleave(repeats, dim=1)
        value = value.repeat_interleave(repeats, dim=1)
    output, lse = flash(padded, key, value, causal=True)
    return rows.pack(output), rows.pack(lse)
