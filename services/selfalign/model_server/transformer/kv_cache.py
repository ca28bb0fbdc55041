"""The KV cache: keys and values of the running rows' own tokens, and of prefixes.

A row's context lies in two places. What it shares with other rows is a prefix, held once, however
many rows read it (`PrefixBuffer`, `PrefixKv`). What is its own, the rest of its prompt and all that
it generates, is its suffix, in a row of the `SuffixCache`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from selfalign.model_server.transformer.model_config import ModelConfig

STEP = 64
"""The cache has room for a multiple of this many tokens a row."""


@dataclass(frozen=True, slots=True)
class PrefixKv:
    """Keys and values of a prefix: each (layers, kv_heads, length, head_dim)."""

    keys: torch.Tensor
    values: torch.Tensor

    @property
    def length(self) -> int:
        """Tokens."""
        return self.keys.shape[2]


class SuffixCache:
    """Rows 0 .. n-1, always without gaps: a row that ends gives its place to the last one.

    One block for all rows, so that attention takes them as they lie. Paging would save memory where
    lengths differ much, but gathering scattered pages would copy all keys in every step, and
    suffixes are short: what is long is shared.

    Attention reads each row to the end of the block, masked, and not only to the longest row's last
    token: oneDNN's batched product copies what does not lie without gaps, and makes a kernel for
    each new shape. The block is therefore kept close to the longest row.
    """

    def __init__(self, config: ModelConfig, slots: int, dtype: torch.dtype) -> None:
        self._shape = (2, config.layers, slots, config.kv_heads)
        self._head_dim = config.head_dim
        self._dtype = dtype
        # (keys or values, layers, slots, kv_heads, tokens, head_dim)
        self._data = self._allocate(STEP)
        self.lengths: list[int] = []
        """Tokens of each row."""
        # (rows,): where the step under way writes its token, set by begin_step
        self._places = torch.empty(0, dtype=torch.long)

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def free(self) -> int:
        """Rows that still fit."""
        return self._shape[2] - len(self.lengths)

    def add(self, lengths: Sequence[int]) -> list[int]:
        """Opens rows with these lengths; returns their numbers."""
        first = len(self.lengths)
        self._fit(max([*lengths, *self.lengths]))
        self.lengths.extend(lengths)
        return list(range(first, len(self.lengths)))

    def remove(self, row: int) -> int | None:
        """Closes a row; returns the number of the row that moved into its place, if one did."""
        last = len(self.lengths) - 1
        length = self.lengths.pop()
        if row == last:
            return None
        self._data[:, :, row, :, :length] = self._data[:, :, last, :, :length]
        self.lengths[row] = length
        return last

    def write(
        self, layer: int, rows: torch.Tensor, keys: torch.Tensor, values: torch.Tensor
    ) -> None:
        """Stores a prefill at the start of the rows.

        Args:
            rows: numbers, (written rows,).
            keys, values: (written rows, kv_heads, longest, head_dim).
        """
        longest = keys.shape[2]
        self._data[0, layer, rows, :, :longest] = keys
        self._data[1, layer, rows, :, :longest] = values

    def begin_step(self, dtype: torch.dtype) -> torch.Tensor:
        """Makes room for one more token a row; returns the mask (rows, 1, 1, room of a row).

        It is 0 where a row has a token, the new one included, and -inf behind, where zeros or
        another row's leftovers lie.
        """
        self._fit(max(self.lengths) + 1)
        self._places = torch.tensor(self.lengths)
        hidden = torch.arange(self._data.shape[4]) > self._places.unsqueeze(1)
        mask = torch.zeros(hidden.shape, dtype=dtype).masked_fill_(hidden, float("-inf"))
        return mask.view(len(self.lengths), 1, 1, -1)

    def append(
        self, layer: int, key: torch.Tensor, value: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Adds the step's token to each row.

        Args:
            key, value: (rows, kv_heads, head_dim).

        Returns:
            All keys and values of the rows, each (rows, kv_heads, room of a row, head_dim).
        """
        count = len(self.lengths)
        rows = torch.arange(count)
        keys, values = self._data[0, layer], self._data[1, layer]
        keys[rows, :, self._places] = key
        values[rows, :, self._places] = value
        return keys[:count], values[:count]

    def end_step(self) -> None:
        """The appended tokens now belong to the rows."""
        # Not in append: every layer of a step appends at the same place.
        self.lengths = [length + 1 for length in self.lengths]

    def _fit(self, tokens: int) -> None:
        """Room for `tokens` a row, and not for many more: a long request may have gone."""
        room = self._data.shape[4]
        if tokens <= room <= 2 * in_steps(tokens):
            return
        # A quarter more, so that copies stay linear in the tokens generated.
        fitted = self._allocate(in_steps(tokens * 5 // 4))
        used, kept = len(self.lengths), min(room, fitted.shape[4])
        fitted[:, :, :used, :, :kept] = self._data[:, :, :used, :, :kept]
        self._data = fitted

    def _allocate(self, tokens: int) -> torch.Tensor:
        # zeros, not empty: what the mask hides must not be NaN
        return torch.zeros(*self._shape, tokens, self._head_dim, dtype=self._dtype)


def in_steps(tokens: int) -> int:
    """The smallest multiple of STEP that has room for so many tokens."""
    return -(-tokens // STEP) * STEP


class SuffixSink:
    """Stores the prefilled rows that go on to decode; the others need no keys afterwards."""

    def __init__(self, cache: SuffixCache, kept: Sequence[int], rows: Sequence[int]) -> None:
        """Row kept[i] of the prefill becomes row rows[i] of the cache."""
        self._cache = cache
        self._kept = torch.tensor(kept, dtype=torch.long)
        self._rows = torch.tensor(rows, dtype=torch.long)
        self._longest = max((cache.lengths[row] for row in rows), default=0)

    def store(self, layer: int, keys: torch.Tensor, values: torch.Tensor) -> None:
        """Writes the kept rows of (rows, kv_heads, longest, head_dim)."""
        if len(self._rows):
            longest = self._longest
            self._cache.write(
                layer,
                self._rows,
                keys[self._kept, :, :longest],
                values[self._kept, :, :longest],
            )


class PrefixBuffer:
    """A prefix in the making: filled chunk by chunk, as the only row of a prefill."""

    def __init__(self, config: ModelConfig, tokens: int, dtype: torch.dtype) -> None:
        # Only what is filled is ever shown, so that `empty` will do here.
        shape = (config.layers, config.kv_heads, tokens, config.head_dim)
        self._keys = torch.empty(shape, dtype=dtype)
        self._values = torch.empty(shape, dtype=dtype)
        self.filled = 0
        """Tokens whose keys and values are there, of all layers."""

    def copy_from(self, source: PrefixKv) -> None:
        """Starts with the keys and values of a shorter prefix."""
        self.filled = source.length
        self._keys[:, :, : self.filled] = source.keys
        self._values[:, :, : self.filled] = source.values

    def store(self, layer: int, keys: torch.Tensor, values: torch.Tensor) -> None:
        """Writes a chunk, (1, kv_heads, chunk, head_dim), behind what is filled.

        `advance` closes it after the last layer.
        """
        end = self.filled + keys.shape[2]
        self._keys[layer, :, self.filled : end] = keys[0]
        self._values[layer, :, self.filled : end] = values[0]

    def advance(self, tokens: int) -> None:
        """The chunk is complete."""
        self.filled += tokens

    def view(self, length: int | None = None) -> PrefixKv | None:
        """The first `length` tokens (default: all filled); None if there are none."""
        end = self.filled if length is None else length
        return PrefixKv(self._keys[:, :, :end], self._values[:, :, :end]) if end else None
