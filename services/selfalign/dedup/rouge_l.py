"""Exact near-duplicate search by ROUGE-L over a whole corpus (paper section 3.1, global here).

Prefix index, position, length and bitmap filters leave few pairs, and bit-parallel longest common
subsequences decide those; no filter changes a decision.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from selfalign.errors import ConfigError

# Between two chunks Python can handle ctrl-C.
CHUNK = 8192


@dataclass(frozen=True, slots=True)
class DedupResult:
    """One entry for each text, in their order."""

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
    # Imported here: numba costs half a second, which importing a service must not.
    from selfalign.dedup import index as index_
    from selfalign.dedup import search
    from selfalign.dedup.tokens import tokenize

    tokens = tokenize(texts)
    lengths = np.diff(tokens.offsets)
    prefixes = index_.build_prefixes(tokens.ids, tokens.offsets, threshold)
    by_length = np.argsort(lengths, kind="stable")
    index = index_.build_index(prefixes, tokens.offsets, by_length, tokens.vocabulary)
    bitmaps = search.build_bitmaps(tokens.ids, tokens.offsets)
    corpus = search.Corpus(tokens.ids, tokens.offsets, prefixes, bitmaps)
    scratch = search.Scratch(
        np.full(len(texts), -1, np.int32),
        np.zeros(tokens.vocabulary, np.int32),
        np.zeros(int(lengths.max()) + 1, np.int32),
    )
    found = search.Found(match, score)
    for start in range(0, len(texts), CHUNK):
        span = (start, min(start + CHUNK, len(texts)), seeds)
        search.search(span, corpus, index, scratch, found, threshold)
