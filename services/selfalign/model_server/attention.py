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
BLOCK = 128
"""Tokens whose scores against a prefix are held at once."""


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
) -> Partial:
    """Attention of (batch, heads, length, head_dim) tensors with its log-sum-exp."""
    output, lse = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
        query, key, value, 0.0, causal
    )
    return output, lse


def prefix_attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, own: Partial
) -> torch.Tensor:
    """Attention of any number of rows' tokens to a whole prefix, merged with their own part.

    The own part's log-sum-exp is one more score beside those of the prefix: the softmax over them
    weighs both parts exactly. Large products and one softmax take less than half the time of the
    flash kernel on the CPU.

    Args:
        query: (tokens, heads, head_dim).
        key: (kv_heads, length, head_dim), as is value.
        own: output (tokens, heads, head_dim) and log-sum-exp (tokens, heads).

    Returns:
        (tokens, heads, head_dim)
    """
    tokens, heads, size = query.shape
    kv_heads, length = key.shape[:2]
    merged = torch.empty_like(own[0])
    turned = key.transpose(1, 2)
    for start in range(0, tokens, BLOCK):
        part = slice(start, min(start + BLOCK, tokens))
        count = part.stop - start
        flat = (query[part] * size**-0.5).view(count, kv_heads, -1, size).transpose(0, 1)
        flat = flat.reshape(kv_heads, -1, size)
        scores = flat.new_empty(kv_heads, flat.shape[1], length + 1)
        torch.bmm(flat, turned, out=scores[..., :length])
        lse = own[1][part].view(count, kv_heads, -1).transpose(0, 1)
        scores.view(kv_heads, count, -1, length + 1)[..., length] = lse
        weights = torch.softmax(scores, dim=-1)
        shared = torch.bmm(weights[..., :length], value).view(kv_heads, count, -1, size)
        ours = weights.view(kv_heads, count, -1, length + 1)[..., length:]
        shared = shared.transpose(0, 1).reshape(count, heads, size)
        ours = ours.transpose(0, 1).reshape(count, heads, 1)
        torch.addcmul(shared, own[0][part], ours, out=merged[part])
    return merged


def step_attention(
    query: torch.Tensor,
    own: tuple[torch.Tensor, torch.Tensor],
    mask: torch.Tensor,
    groups: Sequence[tuple[torch.Tensor | None, torch.Tensor, torch.Tensor]],
) -> torch.Tensor:
    """One new token of each row against its group's prefix and its own suffix.

    The scores of both lie side by side in one buffer, under one softmax: on the CPU that takes
    two thirds of the time of two flash calls and a merge.

    Args:
        query: (rows, heads, head_dim).
        own: keys and values, each (rows, kv_heads, length, head_dim).
        mask: (rows, 1, 1, length), added to the scores: 0 or -inf.
        groups: row numbers (None: all), prefix keys and values, (kv_heads, length, head_dim).

    Returns:
        (rows, heads, head_dim)
    """
    rows, heads, size = query.shape
    keys, values = own
    folded = (query * size**-0.5).view(rows, keys.shape[1], -1, size)
    scores = torch.matmul(folded, keys.transpose(-1, -2)).add_(mask)
    if len(groups) == 1 and groups[0][0] is None:
        shared, weights = _group_attention(folded, scores, groups[0][1], groups[0][2])
        return (shared + torch.matmul(weights, values)).reshape(rows, heads, size)
    weights = torch.softmax(scores, dim=-1)
    output = torch.zeros_like(folded)
    for numbers, key, value in groups:
        assert numbers is not None
        output[numbers], weights[numbers] = _group_attention(
            folded[numbers], scores[numbers], key, value
        )
    return (output + torch.matmul(weights, values)).reshape(rows, heads, size)


def _group_attention(
    folded: torch.Tensor, scores: torch.Tensor, key: torch.Tensor, value: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The prefix's part of the output, and the softmax weights of the rows' own tokens."""
    rows, kv_heads, queries, size = folded.shape
    length, own = key.shape[1], scores.shape[-1]
    both = folded.new_empty(kv_heads, rows * queries, length + own)
    flat = folded.transpose(0, 1).reshape(kv_heads, rows * queries, size)
    torch.bmm(flat, key.transpose(1, 2), out=both[..., :length])
    both.view(kv_heads, rows, queries, -1)[..., length:] = scores.transpose(0, 1)
    weights = torch.softmax(both, dim=-1)
    shared = torch.bmm(weights[..., :length], value).view(kv_heads, rows, queries, size)
    ours = weights.view(kv_heads, rows, queries, -1)[..., length:]
    return shared.transpose(0, 1), ours.transpose(0, 1)


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
