"""The greedy search: each item against the seeds and all items kept before it.

Why the filters change no decision is said in rouge_l.py. All of them are used with `need`, the
shortest common subsequence that would make these two lengths near-duplicates.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from selfalign.dedup.index import BITMAP_WORDS, Index, Prefixes, add_item, shortest_partner
from selfalign.dedup.jit import jit
from selfalign.dedup.lcs import (
    clear_masks,
    fmeasure,
    lcs_length,
    least_lcs,
    popcount,
    set_masks,
)

PLACE = 0xFFFFFFFF
"""The place in a posting."""
BITMAP_FACTOR = np.uint64(0x9E3779B97F4A7C15)
"""2^64 divided by the golden ratio: multiplying by it spreads neighbouring ids over the bits."""


class Corpus(NamedTuple):
    """What the search reads of the items."""

    ids: NDArray[np.int32]
    """(tokens,)"""
    offsets: NDArray[np.int64]
    """(items + 1,)"""
    prefixes: Prefixes
    bitmaps: NDArray[np.uint64]
    """(items, BITMAP_WORDS)"""


class Scratch(NamedTuple):
    """Working memory, made once."""

    seen: NDArray[np.int32]
    """(items,): the last item that met this item as a candidate."""
    slots: NDArray[np.int32]
    """(vocabulary,): row of each token in the masks of the current item, plus one (set_masks)."""
    needed: NDArray[np.int32]
    """(longest item + 1,): the shortest common subsequence that makes the current item a
    near-duplicate of an item of each length."""


class Found(NamedTuple):
    """Results, (items,) each, filled in as the search goes."""

    match: NDArray[np.int64]
    score: NDArray[np.float64]


@jit
def build_bitmaps(ids: NDArray[np.int32], offsets: NDArray[np.int64]) -> NDArray[np.uint64]:
    """A 128-bit set of each item's tokens, (items, BITMAP_WORDS); two tokens may share a bit."""
    bitmaps = np.zeros((len(offsets) - 1, BITMAP_WORDS), np.uint64)
    for item in range(len(offsets) - 1):
        for token in ids[offsets[item] : offsets[item + 1]]:
            # The upper 7 bits of the product: 0 to 127.
            bit = ((np.uint64(token) + np.uint64(1)) * BITMAP_FACTOR) >> np.uint64(57)
            bitmaps[item, bit >> np.uint64(6)] |= np.uint64(1) << (bit & np.uint64(63))
    return bitmaps


@jit
def most_shared(
    mine: NDArray[np.uint64], theirs: NDArray[np.uint64], length: int, other_length: int
) -> int:
    """No more tokens than this can two items share: a bit of one alone is a token of it alone.

    Tokens that share a bit hide one another, so the bound may be too high, never too low.

    Args:
        mine, theirs: (BITMAP_WORDS,).
    """
    alone = popcount(mine[0] & ~theirs[0]) + popcount(mine[1] & ~theirs[1])
    other_alone = popcount(theirs[0] & ~mine[0]) + popcount(theirs[1] & ~mine[1])
    return min(length - alone, other_length - other_alone)


@jit
def first_match(
    item: int, corpus: Corpus, index: Index, scratch: Scratch, window: tuple[int, int]
) -> tuple[int, int]:
    """(first indexed item that matches, their longest common subsequence), or (-1, 0).

    Args:
        window: Fewest and most tokens of an item that can match; scratch.needed covers it.
    """
    shortest, longest = window
    tokens = corpus.ids[corpus.offsets[item] : corpus.offsets[item + 1]]
    length = len(tokens)
    mine = corpus.bitmaps[item]
    best, best_lcs = -1, 0
    masks, previous = np.zeros(0, np.uint64), np.zeros(0, np.int32)
    for entry in range(corpus.prefixes.offsets[item], corpus.prefixes.offsets[item + 1]):
        token, place = corpus.prefixes.tokens[entry], corpus.prefixes.places[entry]
        for key in range(index.key_starts[token], index.key_starts[token + 1]):
            other_length = index.key_lengths[key]
            if other_length < shortest:
                continue
            # Keys ascend by length, and a longer partner needs more: nothing behind this key fits.
            if other_length > longest or length - place < scratch.needed[other_length]:
                break
            need = scratch.needed[other_length]
            begin = index.key_begins[key]
            for posting in range(begin, begin + index.key_filled[key]):
                packed = index.postings[posting]
                # At the first token that both prefixes share nothing before it can be shared.
                if other_length - (packed & PLACE) < need:
                    continue
                other = packed >> 32
                # Postings ascend by item, and only the first match counts.
                if best >= 0 and other >= best:
                    break
                if most_shared(mine, index.bitmaps[posting], length, other_length) < need:
                    continue
                # Met under a token before this one, and decided: the pair shares several.
                if scratch.seen[other] == item:
                    continue
                scratch.seen[other] = item
                # Most items meet no candidate, so their masks are never made.
                if len(masks) == 0:
                    masks, previous = set_masks(tokens, scratch.slots)
                theirs = corpus.ids[corpus.offsets[other] : corpus.offsets[other + 1]]
                lcs = lcs_length(masks, previous, scratch.slots, length, theirs)
                if lcs >= need:
                    best, best_lcs = other, lcs
    if len(masks):
        clear_masks(tokens, scratch.slots)
    return best, best_lcs


@jit
def search(
    span: tuple[int, int, int],
    corpus: Corpus,
    index: Index,
    scratch: Scratch,
    found: Found,
    threshold: float,
) -> None:
    """Decides the items start..stop of `span` = (start, stop, seeds); the seeds all stay."""
    start, stop, seeds = span
    most = len(scratch.needed) - 1
    previous, shortest, longest = -1, 0, 0
    for item in range(start, stop):
        length = corpus.offsets[item + 1] - corpus.offsets[item]
        if length == 0:
            continue
        if item >= seeds:
            # The bounds depend on the length alone; neighbours in a corpus often share it.
            if length != previous:
                previous = length
                shortest = shortest_partner(length, threshold)
                longest = shortest - 1
                for other_length in range(shortest, most + 1):
                    need = least_lcs(length, other_length, threshold)
                    if need > min(length, other_length):
                        break
                    scratch.needed[other_length] = need
                    longest = other_length
            best, lcs = first_match(item, corpus, index, scratch, (shortest, longest))
            if best >= 0:
                other_length = corpus.offsets[best + 1] - corpus.offsets[best]
                found.match[item] = best
                found.score[item] = fmeasure(lcs, length, other_length)
                continue
        add_item(index, corpus.prefixes, corpus.bitmaps[item], item, length)
