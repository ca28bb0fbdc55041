"""Remembered prefixes: found by themselves, shared by all requests that start with them.

Nobody declares a prefix. A stage sends thousands of prompts that begin with the same constitution,
and comparing token ids shows it. Entries are few (one a constitution, as a rule) and comparing two
arrays of 2,000 ids takes microseconds, so a list does where vLLM or SGLang keep a hash table or a
radix tree.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from selfalign.model_server.transformer.kv_cache import PrefixBuffer

TokenIds = NDArray[np.int64]
"""(tokens,)"""

SHORT_KEPT = 8
"""Remembered prefixes that are too short for rows: their scores are asked at once or not again."""


@dataclass(frozen=True, slots=True)
class Sharing:
    """What makes a common prefix worth sharing, in tokens."""

    least: int
    """A shorter one is computed again."""
    rounding: int
    """Common lengths are rounded down to its multiples."""


ROWS = Sharing(least=64, rounding=16)
"""For requests that become rows: a prefix is one more group of rows in every step to come, and
chance matches behind it must make no new groups."""
SCORES = Sharing(least=16, rounding=1)
"""For scores of given tokens, which are done after one pass: what they share is all saved."""


@dataclass(eq=False, slots=True)
class PrefixEntry:
    """A token sequence and its keys and values; `users` counts the rows that read it."""

    tokens: TokenIds
    buffer: PrefixBuffer
    users: int = 0


@dataclass(frozen=True, slots=True)
class PrefixUse:
    """The first `length` tokens of an entry. Rows with equal uses share one attention call."""

    entry: PrefixEntry
    length: int


def common_length(first: TokenIds, second: TokenIds) -> int:
    """How many leading tokens are equal."""
    shorter = min(len(first), len(second))
    different = np.flatnonzero(first[:shorter] != second[:shorter])
    return int(different[0]) if len(different) else shorter


def usable_length(common: int, prompt: int, sharing: Sharing = ROWS) -> int:
    """What a prompt of `prompt` tokens can use of a common length; 0: it is not worth sharing.

    At least one token of the prompt stays outside: the prefix's keys and values are remembered, but
    not its hidden states, and the last token's is what the first new token is chosen from.
    """
    length = min(common, prompt - 1) // sharing.rounding * sharing.rounding
    return length if length >= sharing.least else 0


def shared_with_waiting(
    prompt: TokenIds, others: Iterable[TokenIds], sharing: Sharing = ROWS
) -> int:
    """The prefix length of `prompt` that saves most tokens over the other waiting prompts."""
    lengths = sorted(
        (usable_length(common_length(prompt, other), len(prompt), sharing) for other in others),
        reverse=True,
    )
    # The `count` prompts that share most all share the shortest of their lengths.
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

    def find(
        self, prompt: TokenIds, running: Sequence[PrefixUse], sharing: Sharing = ROWS
    ) -> PrefixUse | None:
        """The longest remembered prefix of `prompt`.

        A use that rows are running with already is preferred, unless the longer one saves
        `sharing.least` tokens or more: the rows then share a group.
        """
        best: PrefixUse | None = None
        for entry in self.entries:
            length = usable_length(common_length(entry.tokens, prompt), len(prompt), sharing)
            if length and (best is None or length > best.length):
                best = PrefixUse(entry, length)
        if best is None:
            return None
        for use in running:
            # A new length would be a group of its own in every step to come; what it saves is less
            # than the least that is worth sharing, once.
            close = best.length - sharing.least < use.length < len(prompt)
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
        """Forgets the longest unused entries until the rest fits, and all but a few short ones."""
        short = [entry for entry in self.entries if len(entry.tokens) < ROWS.least]
        for entry in short[:-SHORT_KEPT]:
            self.entries.remove(entry)
        # What running rows read is in memory anyway; forgetting it would free nothing. The newest
        # entry stays too: the request that it was computed for has not read it yet.
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
