"""Exact near-duplicate search by ROUGE-L over a whole corpus (paper section 3.1, global here).

Comparing all pairs of 360,000 texts would take days. Four filters leave few pairs, and bit-parallel
longest common subsequences (LCS) decide those. Each filter skips a pair only where the LCS provably
cannot be long enough, so that no filter changes a decision:

1. Length bounds. LCS <= min(lengths), so an F-measure above the threshold bounds the ratio of two
   lengths: most lists of the index are skipped unread (index.shortest_partner, Scratch.needed).
2. Prefix filter. Items that share o tokens share one of the first length - o + 1, in any order that
   is the same for all items; rarest first makes the lists short (index.py).
3. Position filter. Where the first shared token of two sorted items stands far behind, too few
   tokens are left to be shared (search.first_match).
4. Bitmap filter. Bits that only one of two 128-bit token sets has stand for tokens that only that
   item has (search.most_shared).

All of them bound the number of shared tokens, which the LCS cannot exceed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from selfalign.errors import ConfigError

CHUNK = 8192
"""Items decided in one compiled call; between two of them Python can handle ctrl-C."""


@dataclass(frozen=True, slots=True)
class DedupResult:
    """One entry for each text, in their order: all arrays are (texts,)."""

    kept: NDArray[np.bool_]
    match: NDArray[np.int64]
    """The first of [*seeds, *texts] that the text duplicates, as its position there; -1 if kept."""
    score: NDArray[np.float64]
    """F-measure with `match`; 0 if kept."""


def deduplicate(
    texts: Sequence[str], *, seeds: Sequence[str] = (), threshold: float = 0.7
) -> DedupResult:
    """Keeps each text, in order, unless it resembles a seed or a kept text before it.

    Two texts are near-duplicates if rouge_score's ROUGE-L F-measure (no stemming) exceeds
    `threshold`, in the floats of that package: its ties, and its tokens, which are lowercase runs
    of [a-z0-9] only. Texts without any such token never match. Seeds are not compared among
    themselves.

    Raises:
        ConfigError: `threshold` is not in 0..1.
    """
    if not 0.0 <= threshold <= 1.0:
        raise ConfigError(f"rouge_threshold: {threshold} is out of range; expected 0 to 1")
    items = len(seeds) + len(texts)
    match = np.full(items, -1, np.int64)
    score = np.zeros(items, np.float64)
    if texts:
        _search([*seeds, *texts], len(seeds), float(threshold), match, score)
    match, score = match[len(seeds) :], score[len(seeds) :]
    return DedupResult(match < 0, match, score)


def _search(
    texts: Sequence[str],
    seeds: int,
    threshold: float,
    match: NDArray[np.int64],
    score: NDArray[np.float64],
) -> None:
    """Fills `match` and `score`, (texts,), where the first `seeds` of the texts are seeds."""
    # Imported here: numba costs half a second, which importing a service must not.
    from selfalign.dedup.index import build_index, build_prefixes
    from selfalign.dedup.rouge_tokens import tokenize
    from selfalign.dedup.search import Corpus, Found, Scratch, build_bitmaps, search

    tokens = tokenize(texts)
    lengths = np.diff(tokens.offsets)
    prefixes = build_prefixes(tokens.ids, tokens.offsets, threshold)
    by_length = np.argsort(lengths, kind="stable")
    index = build_index(prefixes, tokens.offsets, by_length, tokens.vocabulary)
    bitmaps = build_bitmaps(tokens.ids, tokens.offsets)
    corpus = Corpus(tokens.ids, tokens.offsets, prefixes, bitmaps)
    scratch = Scratch(
        seen=np.full(len(texts), -1, np.int32),
        slots=np.zeros(tokens.vocabulary, np.int32),
        needed=np.zeros(int(lengths.max()) + 1, np.int32),
    )
    found = Found(match, score)
    for start in range(0, len(texts), CHUNK):
        span = (start, min(start + CHUNK, len(texts)), seeds)
        search(span, corpus, index, scratch, found, threshold)
