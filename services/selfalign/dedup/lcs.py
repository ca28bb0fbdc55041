"""The score: longest common subsequence by bit-parallelism, F-measure in rouge_score's floats."""

import numpy as np
from numpy.typing import NDArray

from selfalign.dedup.jit import jit

WORD_BITS = 64
ONE = np.uint64(1)
ALL_BITS = np.uint64(0xFFFFFFFFFFFFFFFF)


@jit
def fmeasure(lcs: int, first: int, second: int) -> float:
    """F of two items of `first` and `second` tokens, operation for operation as rouge_score does.

    Integers will not do: of the pairs with 2 lcs / (first + second) exactly 7/10, these floats
    put about half above 0.7.
    """
    if lcs == 0:
        return 0.0
    precision = lcs / second
    recall = lcs / first
    return 2 * precision * recall / (precision + recall)


@jit
def least_lcs(first: int, second: int, threshold: float) -> int:
    """The shortest common subsequence whose F exceeds `threshold`; may be too long to exist."""
    lcs = max(1, int(threshold * (first + second) / 2) - 1)
    while lcs > 1 and fmeasure(lcs - 1, first, second) > threshold:
        lcs -= 1
    while lcs <= min(first, second) and not fmeasure(lcs, first, second) > threshold:
        lcs += 1
    return lcs


@jit
def popcount(bits: np.uint64) -> int:
    """Bits that are set."""
    bits -= (bits >> np.uint64(1)) & np.uint64(0x5555555555555555)
    bits = (bits & np.uint64(0x3333333333333333)) + (
        (bits >> np.uint64(2)) & np.uint64(0x3333333333333333)
    )
    bits = (bits + (bits >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return int((bits * np.uint64(0x0101010101010101)) >> np.uint64(56))


@jit
def set_masks(tokens: NDArray[np.int32], slots: NDArray[np.int32]) -> NDArray[np.uint64]:
    """Positions of each distinct token, one row a token; `slots[token]` is its row plus one."""
    words = (len(tokens) + WORD_BITS - 1) // WORD_BITS
    masks = np.zeros((len(tokens), words), np.uint64)
    rows = 0
    for position in range(len(tokens)):
        token = tokens[position]
        if slots[token] == 0:
            rows += 1
            slots[token] = rows
        masks[slots[token] - 1, position // WORD_BITS] |= ONE << np.uint64(position % WORD_BITS)
    return masks


@jit
def clear_masks(tokens: NDArray[np.int32], slots: NDArray[np.int32]) -> None:
    """Undoes what set_masks did to `slots`."""
    for token in tokens:
        slots[token] = 0


@jit
def lcs_length(
    length: int, masks: NDArray[np.uint64], slots: NDArray[np.int32], other: NDArray[np.int32]
) -> int:
    """Longest common subsequence of the item behind `masks` (of `length` tokens) and `other`.

    Crochemore et al. 2001: zero bits of the state count the matches; one addition a token and
    word, with the carry going from word to word where the item is longer than 64 tokens.
    """
    words = masks.shape[1]
    if words == 1:
        state = ALL_BITS
        for token in other:
            row = slots[token]
            if row:
                matches = state & masks[row - 1, 0]
                state = (state + matches) | (state - matches)
        return popcount(~state & (ALL_BITS >> np.uint64(WORD_BITS - length)))
    states = np.full(words, ALL_BITS, np.uint64)
    for token in other:
        row = slots[token]
        if not row:
            continue
        carry = np.uint64(0)
        for word in range(words):
            state = states[word]
            matches = state & masks[row - 1, word]
            total = state + matches
            overflow = total < state
            total += carry
            carry = ONE if overflow or total < carry else np.uint64(0)
            states[word] = total | (state - matches)
    matched = 0
    for word in range(words):
        used = min(WORD_BITS, length - word * WORD_BITS)
        matched += popcount(~states[word] & (ALL_BITS >> np.uint64(WORD_BITS - used)))
    return matched
