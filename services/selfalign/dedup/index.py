"""The prefix index: in which items, of which length, a rare token stands.

Two items whose longest common subsequence has o tokens share, when both are sorted rarest token
first, one of the first (length - o + 1) tokens of each (prefix filter; Bayardo et al. 2007). For if
they share none of these, the first token that they do share stands behind the prefix of one of the
two, where fewer than o tokens are left. So an item needs to be found under the tokens of its prefix
only. Rarest first, since the rare tokens have the short lists.

Postings lie by (token, length of the item), and within that in the order of the items, so that
whole lengths and the rest of a list can be skipped.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from selfalign.dedup.jit import jit
from selfalign.dedup.lcs import least_lcs

BITMAP_WORDS = 2
"""64-bit words of the token set of an item."""


class Prefixes(NamedTuple):
    """Distinct tokens of each item's prefix: those of item i are at offsets[i]:offsets[i + 1]."""

    tokens: NDArray[np.int32]
    """(entries,): the prefixes of all items, one after the other."""
    places: NDArray[np.int32]
    """(entries,): where the token first stands in the sorted item."""
    offsets: NDArray[np.int64]
    """(items + 1,)"""


class Index(NamedTuple):
    """Token t has the keys key_starts[t]:key_starts[t + 1]; key k the postings from key_begins[k].

    Only the first key_filled[k] postings of a key are valid: those of the items kept so far.
    """

    key_starts: NDArray[np.int64]
    """(vocabulary + 1,)"""
    key_lengths: NDArray[np.int32]
    """(keys,): tokens of the items behind the key, ascending within a token."""
    key_begins: NDArray[np.int64]
    """(keys,)"""
    key_filled: NDArray[np.int32]
    """(keys,)"""
    postings: NDArray[np.int64]
    """(entries,): item in the upper, place in the lower 32 bits."""
    bitmaps: NDArray[np.uint64]
    """(entries, BITMAP_WORDS): of the postings' items, repeated here so that a scan reads memory in
    order."""


@jit
def shortest_partner(length: int, threshold: float) -> int:
    """The fewest tokens that an item may have to match one of `length` tokens.

    With an LCS of all its p tokens F = 2p / (length + p), which exceeds t from
    p = length * t / (2 - t) on; the two loops find where it does in the floats of fmeasure.
    """
    partner = max(1, int(length * threshold / (2 - threshold)) - 1)
    while partner > 1 and least_lcs(length, partner - 1, threshold) <= partner - 1:
        partner -= 1
    while partner <= length and least_lcs(length, partner, threshold) > partner:
        partner += 1
    return partner


@jit
def build_prefixes(
    ids: NDArray[np.int32], offsets: NDArray[np.int64], threshold: float
) -> Prefixes:
    """The prefixes of all items, long enough for a partner of any length.

    Args:
        ids: (tokens,); item i has ids[offsets[i]:offsets[i + 1]].
        offsets: (items + 1,).
    """
    count = len(offsets) - 1
    longest = 0
    for item in range(count):
        longest = max(longest, offsets[item + 1] - offsets[item])
    prefix_length = np.full(longest + 1, -1, np.int64)
    prefix_length[0] = 0
    total = 0
    for item in range(count):
        length = offsets[item + 1] - offsets[item]
        if prefix_length[length] < 0:
            # The shorter the partner, the fewer shared tokens are enough, and the longer the
            # prefix that must hold one of them: the shortest partner's prefix does for all.
            partner = shortest_partner(length, threshold)
            # No partner at all (threshold 1): nothing to be found under.
            shared = least_lcs(length, partner, threshold)
            prefix_length[length] = max(0, length - shared + 1) if partner <= length else 0
        total += prefix_length[length]
    tokens = np.empty(total, np.int32)
    places = np.empty(total, np.int32)
    starts = np.zeros(count + 1, np.int64)
    filled = 0
    for item in range(count):
        # A token's id is its rank: sorting by it puts the rarest first.
        ordered = np.sort(ids[offsets[item] : offsets[item + 1]])
        for place in range(prefix_length[len(ordered)]):
            if place == 0 or ordered[place] != ordered[place - 1]:
                tokens[filled] = ordered[place]
                places[filled] = place
                filled += 1
        starts[item + 1] = filled
    return Prefixes(tokens[:filled], places[:filled], starts)


@jit
def build_index(
    prefixes: Prefixes,
    offsets: NDArray[np.int64],
    by_length: NDArray[np.int64],
    vocabulary: int,
) -> Index:
    """Room for the postings of all items, none filled in yet.

    Which items will be kept is not known yet, but where each would go is: laid out once, the index
    grows without moving anything.

    Args:
        offsets: (items + 1,), of the items' tokens.
        by_length: (items,), the items in order of their lengths.
    """
    key_counts = np.zeros(vocabulary + 1, np.int64)
    posting_counts = np.zeros(vocabulary + 1, np.int64)
    last_length = np.zeros(vocabulary, np.int64)
    # First pass: how many keys and postings each token has. Items come by length, so a length that
    # differs from the token's last one is a new key.
    for item in by_length:
        length = offsets[item + 1] - offsets[item]
        for token in prefixes.tokens[prefixes.offsets[item] : prefixes.offsets[item + 1]]:
            posting_counts[token + 1] += 1
            if last_length[token] != length:
                last_length[token] = length
                key_counts[token + 1] += 1
    key_starts = np.cumsum(key_counts)
    next_posting = np.cumsum(posting_counts)
    keys = key_starts[-1]
    key_lengths = np.empty(keys, np.int32)
    key_begins = np.empty(keys, np.int64)
    next_key = key_starts.copy()
    last_length[:] = 0
    # Second pass, the same walk: where each key's postings begin.
    for item in by_length:
        length = offsets[item + 1] - offsets[item]
        for token in prefixes.tokens[prefixes.offsets[item] : prefixes.offsets[item + 1]]:
            if last_length[token] != length:
                last_length[token] = length
                key_lengths[next_key[token]] = length
                key_begins[next_key[token]] = next_posting[token]
                next_key[token] += 1
            next_posting[token] += 1
    postings = len(prefixes.tokens)
    return Index(
        key_starts,
        key_lengths,
        key_begins,
        np.zeros(keys, np.int32),
        np.empty(postings, np.int64),
        np.empty((postings, BITMAP_WORDS), np.uint64),
    )


@jit
def add_item(
    index: Index, prefixes: Prefixes, bitmap: NDArray[np.uint64], item: int, length: int
) -> None:
    """Makes a kept item findable.

    Args:
        bitmap: (BITMAP_WORDS,), of the item.
        length: its tokens.
    """
    for entry in range(prefixes.offsets[item], prefixes.offsets[item + 1]):
        token = prefixes.tokens[entry]
        key = index.key_starts[token]
        while index.key_lengths[key] != length:
            key += 1
        posting = index.key_begins[key] + index.key_filled[key]
        index.postings[posting] = (item << 32) | prefixes.places[entry]
        index.bitmaps[posting] = bitmap
        index.key_filled[key] += 1
