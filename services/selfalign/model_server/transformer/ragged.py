"""Rows of different lengths in one batch: packed for everything but attention, padded for that.

Packed, the tokens of all rows follow one another in one dimension, (tokens, ...), and no product
is spent on padding. The flash kernel wants a rectangle, (rows, heads, longest, head_dim); padding
is on the right, where a causal mask hides it from every token that counts.
"""

from collections.abc import Sequence

import torch

from selfalign.model_server.transformer.attention import Partial, flash


class RaggedRows:
    """Rows of these lengths, packed one after the other along the token dimension."""

    def __init__(self, lengths: Sequence[int]) -> None:
        self.lengths = tuple(lengths)
        self.longest = max(lengths)
        self.last = torch.tensor(lengths).cumsum(0) - 1
        """(rows,): the place of each row's last token in the packed dimension."""
        # (tokens,): where each packed token goes in the flattened rows of the rectangle
        self._places = torch.tensor(
            [
                row * self.longest + step
                for row, length in enumerate(lengths)
                for step in range(length)
            ]
        )
        self._full = all(length == self.longest for length in lengths)

    def pad(self, packed: torch.Tensor) -> torch.Tensor:
        """(tokens, heads, head_dim) to (rows, heads, longest, head_dim), zeros on the right."""
        flat = packed
        if not self._full:
            # zeros, not empty: NaN in a padded key would survive its weight of zero
            flat = packed.new_zeros(len(self.lengths) * self.longest, *packed.shape[1:])
            flat[self._places] = packed
        return flat.view(len(self.lengths), self.longest, *packed.shape[1:]).transpose(1, 2)

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

    Returns:
        Packed output (tokens, heads, head_dim) and log-sum-exp (tokens, heads).
    """
    padded = rows.pad(query)
    # The flash kernel knows no grouped queries: each key head is repeated for its query heads.
    repeats = padded.shape[1] // key.shape[1]
    if repeats > 1:
        key = key.repeat_interleave(repeats, dim=1)
        value = value.repeat_interleave(repeats, dim=1)
    output, lse = flash(padded, key, value, causal=True)
    return rows.pack(output), rows.pack(lse)
