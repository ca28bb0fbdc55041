"""Remembered prefixes: found by themselves, shared by all requests that start with them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from selfalign.model_server.kv_cache import PrefixBuffer

Tokens = NDArray[np.int64]

MIN_SHARED = 64
"""A shorter common prefix is computed again: cheaper than one more group of rows a step."""
ROUNDING = 16
"""Common lengths are rounded down, so that chance matches behind the prefix make no new groups."""


@dataclass(eq=False, slots=True)
class PrefixEntry:
    """A token sequence and its keys and values; `users` counts the rows that read it."""

    tokens: Tokens
    buffer: PrefixBuffer
    users: int = 0


@dataclass(frozen=True, slots=True)
class PrefixUse:
    """The first `length` tokens of an entry. Rows with equal uses share one attention call."""

    entry: PrefixEntry
    length: int


def common_length(first: Tokens, second: Tokens) -> int:
    """How many leading tokens are equal."""
    shorter = min(len(first), len(second))
    different = np.flatnonzero(first[:shorter] != second[:shorter])
    return int(different[0]) if len(different) else shorter


def usable_length(common: int, prompt: int) -> int:
    """A common length that can be used: at least one token of the prompt stays outside it."""
    length = min(common, prompt - 1) // ROUNDING * ROUNDING
    return length if length >= MIN_SHARED else 0


def shared_with_waiting(prompt: Tokens, others: Iterable[Tokens]) -> int:
    """The prefix length of `prompt` that saves most tokens over the other waiting prompts."""
    lengths = sorted(
        (usable_length(common_length(prompt, other), len(prompt)) for other in others),
        reverse=True,
    )
    best, saved = 0, 0
    for count, length in enumerate(lengths, start=1):
        if length * count > saved:
            best, saved = length, length * count
    return best


@dataclass(slots=True)
class PrefixCache:
    """Entries in order of their last use; unused ones beyond `capacity` tokens are forgotten."""

    capacity: int
    entries: list[PrefixEntry] = field(default_factory=list)

    def find(self, prompt: Tokens, running: Sequence[PrefixUse]) -> PrefixUse | None:
        """The longest remembered prefix of `prompt`.

        A use that rows are running with already is preferred, unless the longer one saves
        MIN_SHARED tokens or more: the rows then share a group.
        """
        best: PrefixUse | None = None
        for entry in self.entries:
            length = usable_length(common_length(entry.tokens, prompt), len(prompt))
            if length and (best is None or length > best.length):
                best = PrefixUse(entry, length)
        if best is None:
            return None
        for use in running:
            close = best.length - MIN_SHARED < use.length < len(prompt)
            if close and np.array_equal(use.entry.tokens[: use.length], prompt[: use.length]):
                best = use
                break
        self._touch(best.entry)
        return best

    def add(self, entry: PrefixEntry) -> None:
        """Remembers a new entry."""
        self.entries.append(entry)
        self.trim()

    def trim(self) -> None:
        """Forgets the longest unused entries until the rest fits."""
        total = sum(len(entry.tokens) for entry in self.entries if not entry.users)
        for entry in list(self.entries[:-1]):
            if total <= self.capacity:
                return
            if not entry.users:
                self.entries.remove(entry)
                total -= len(entry.tokens)

    def _touch(self, entry: PrefixEntry) -> None:
        self.entries.remove(entry)
        self.entries.append(entry)
