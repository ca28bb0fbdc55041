"""Tokens of ROUGE as numbers: lowercase runs of [a-z0-9], interned over the whole corpus.

The result is that of rouge_score's tokenizer without stemming, token for token. Interning is one
pass over the bytes, so that no string is made of any token.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from selfalign.dedup.jit import jit

FNV_OFFSET = np.uint64(14695981039346656037)
FNV_PRIME = np.uint64(1099511628211)
FIRST_TABLE_SIZE = 1 << 14


@dataclass(frozen=True, slots=True)
class TokenizedCorpus:
    """Item i has the tokens `ids[offsets[i]:offsets[i + 1]]`, in the order of its text."""

    ids: NDArray[np.int32]
    """(tokens,): token ids, rarest token (by number of occurrences) first: 0 is the rarest."""
    offsets: NDArray[np.int64]
    """(items + 1,)"""
    vocabulary: int
    """Distinct tokens."""


def tokenize(texts: Sequence[str]) -> TokenizedCorpus:
    """Tokenizes all texts at once; any string is allowed, also empty or with lone surrogates."""
    # The newline keeps the last token of a text apart from the first of the next one. "replace"
    # turns lone surrogates into "?", which separates tokens just as they do.
    encoded = [text.lower().encode("utf-8", "replace") + b"\n" for text in texts]
    sizes = np.fromiter(map(len, encoded), np.int64, len(encoded))
    data = np.frombuffer(b"".join(encoded), np.uint8)
    del encoded
    ends = np.cumsum(sizes)
    ids, offsets, counts = _intern(data, ends)
    # The prefix filter works with any order of the tokens, and fastest with the rarest first.
    ranks = np.empty(len(counts), np.int32)
    ranks[np.argsort(counts, kind="stable")] = np.arange(len(counts), dtype=np.int32)
    return TokenizedCorpus(ranks[ids], offsets, len(counts))


@jit
def _is_token_byte(byte: np.uint8) -> bool:
    return bool(97 <= byte <= 122 or 48 <= byte <= 57)


@jit
def _count_tokens(data: NDArray[np.uint8]) -> int:
    count = 0
    inside = False
    for byte in data:
        now = _is_token_byte(byte)
        if now and not inside:
            count += 1
        inside = now
    return count


@jit
def _same(data: NDArray[np.uint8], first: int, second: int, length: int) -> bool:
    for k in range(length):  # noqa: SIM110 - numba compiles no all() over a generator
        if data[first + k] != data[second + k]:
            return False
    return True


@jit
def _grown(hashes: NDArray[np.uint64], words: int) -> NDArray[np.int32]:
    """A hash table, (slots,) of word numbers or -1, that holds the first `words` of `hashes`.

    A quarter of it is filled at most, half when the next one is made. Its size is a power of two,
    so that a mask takes the place of a division.
    """
    size = FIRST_TABLE_SIZE
    while size < 4 * words:
        size *= 2
    table = np.full(size, -1, np.int32)
    mask = np.uint64(size - 1)
    for word in range(words):
        slot = hashes[word] & mask
        while table[slot] >= 0:
            slot = (slot + np.uint64(1)) & mask
        table[slot] = word
    return table


@jit
def _intern(
    data: NDArray[np.uint8], ends: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]:
    """Numbers the words of `data`, (bytes,), whose items end at `ends`, (items,).

    Returns:
        Token ids in order of first appearance, (tokens,); offsets of the items, (items + 1,);
        occurrences of each id, (words,).
    """
    total = _count_tokens(data)
    ids = np.empty(total, np.int32)
    offsets = np.zeros(len(ends) + 1, np.int64)
    # Per word: its hash, where it first stood, its length, its occurrences.
    hashes = np.empty(total, np.uint64)
    firsts = np.empty(total, np.int64)
    lengths = np.empty(total, np.int64)
    counts = np.zeros(total, np.int64)
    table = _grown(hashes, 0)
    words = 0
    filled = 0
    position = 0
    for item in range(len(ends)):
        while position < ends[item]:
            if not _is_token_byte(data[position]):
                position += 1
                continue
            start = position
            digest = FNV_OFFSET
            while _is_token_byte(data[position]):
                digest = (digest ^ np.uint64(data[position])) * FNV_PRIME
                position += 1
            # FNV mixes upwards only, and the mask takes the lower bits: fold the upper ones in.
            digest ^= digest >> np.uint64(32)
            length = position - start
            mask = np.uint64(len(table) - 1)
            slot = digest & mask
            word = table[slot]
            # Equal hashes are not enough: two words as one would change a decision.
            while word >= 0 and not (
                hashes[word] == digest
                and lengths[word] == length
                and _same(data, firsts[word], start, length)
            ):
                slot = (slot + np.uint64(1)) & mask
                word = table[slot]
            if word < 0:
                word = words
                words += 1
                table[slot] = word
                hashes[word], firsts[word], lengths[word] = digest, start, length
                if 2 * words > len(table):
                    table = _grown(hashes, words)
            counts[word] += 1
            ids[filled] = word
            filled += 1
        offsets[item + 1] = filled
    return ids, offsets, counts[:words].copy()
