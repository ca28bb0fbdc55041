"""The score: longest common subsequence by bit-parallelism, F-measure in rouge_score's floats.

The textbook table L[i, j], the LCS of the first i tokens of one item and the first j of the other,
grows by 0 or 1 with each i. So its column for one j is one bit a token of the item, and the column
for j + 1 follows by an addition, whose carries do what the table's comparisons do: 64 cells in four
machine operations (Crochemore et al. 2001; Hyyro 2004).
"""

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
    # Close by division, then exact by the very comparison that decides in the end.
    lcs = max(1, int(threshold * (first + second) / 2) - 1)
    while lcs > 1 and fmeasure(lcs - 1, first, second) > threshold:
        lcs -= 1
    while lcs <= min(first, second) and not fmeasure(lcs, first, second) > threshold:
        lcs += 1
    return lcs


@jit
def popcount(bits: np.uint64) -> int:
    """Bits that are set: sums of 2, 4, then 8 bits side by side; the product adds up the bytes."""
    bits -= (bits >> np.uint64(1)) & np.uint64(0x5555555555555555)
    bits = (bits & np.uint64(0x3333333333333333)) + (
        (bits >> np.uint64(2)) & np.uint64(0x3333333333333333)
    )
    bits = (bits + (bits >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return int((bits * np.uint64(0x0101010101010101)) >> np.uint64(56))


@jit
def set_masks(
    tokens: NDArray[np.int32], slots: NDArray[np.int32]
) -> tuple[NDArray[np.uint64], NDArray[np.int32]]:
    """Where each token of an item stands, found through `slots[token]` (0: nowhere).

    Up to 64 tokens: (a mask of positions for each distinct token, -), slots is its number plus
    one. Longer, where masks would take memory by the square of the length: (-, the position plus
    one of the same token before each position), slots is its last position plus one.

    Args:
        tokens: (length,).
        slots: (vocabulary,), all 0 before; clear_masks makes it so again.

    Returns:
        Masks, (length,), of which the rows in use count; previous, (length,) or empty.
    """
    if len(tokens) > WORD_BITS:
        previous = np.empty(len(tokens), np.int32)
        for position in range(len(tokens)):
            previous[position] = slots[tokens[position]]
            slots[tokens[position]] = position + 1
        return np.zeros(1, np.uint64), previous
    masks = np.zeros(len(tokens), np.uint64)
    rows = 0
    for position in range(len(tokens)):
        token = tokens[position]
        if slots[token] == 0:
            rows += 1
            slots[token] = rows
        masks[slots[token] - 1] |= ONE << np.uint64(position)
    return masks, np.zeros(0, np.int32)


@jit
def clear_masks(tokens: NDArray[np.int32], slots: NDArray[np.int32]) -> None:
    """Undoes what set_masks did to `slots`, without walking the whole vocabulary."""
    for token in tokens:
        slots[token] = 0


@jit
def lcs_length(
    masks: NDArray[np.uint64],
    previous: NDArray[np.int32],
    slots: NDArray[np.int32],
    length: int,
    other: NDArray[np.int32],
) -> int:
    """Longest common subsequence of the item of `length` tokens behind set_masks and `other`.

    Bit i of the state is 0 where the LCS with the tokens of `other` read so far grows at the item's
    token i; so in the end the zeros count it.

    Args:
        masks, previous: of set_masks.
        slots: (vocabulary,), as set_masks left it.
        other: (other length,).
    """
    if length > WORD_BITS:
        return _long_lcs_length(previous, slots, other)
    state = ALL_BITS
    for token in other:
        row = slots[token]
        if row:
            # Between two zeros lies a block of ones in which the LCS does not grow. The sum moves a
            # block's zero down to its first match; the difference keeps the ones that had none.
            matches = state & masks[row - 1]
            state = (state + matches) | (state - matches)
    return popcount(~state & (ALL_BITS >> np.uint64(WORD_BITS - length)))


@jit
def _long_lcs_length(
    previous: NDArray[np.int32], slots: NDArray[np.int32], other: NDArray[np.int32]
) -> int:
    """The same over several words, the carry going from one to the next."""
    length = len(previous)
    # The mask of a token is put together when the token comes, from its chain of positions.
    words = (length + WORD_BITS - 1) // WORD_BITS
    states = np.full(words, ALL_BITS, np.uint64)
    mask = np.zeros(words, np.uint64)
    for token in other:
        if slots[token] == 0:
            continue
        place = slots[token]
        while place:
            mask[(place - 1) // WORD_BITS] |= ONE << np.uint64((place - 1) % WORD_BITS)
            place = previous[place - 1]
        carry = np.uint64(0)
        for word in range(words):
            state = states[word]
            matches = state & mask[word]
            mask[word] = 0
            # Only the sum has carries: matches are bits of the state, so nothing is borrowed.
            total = state + matches
            overflow = total < state
            total += carry
            carry = ONE if overflow or total < carry else np.uint64(0)
            states[word] = total | (state - matches)
    matched = 0
    for word in range(words):
        # The last word has bits beyond the item's end; they are not the item's.
        used = min(WORD_BITS, length - word * WORD_BITS)
        matched += popcount(~states[word] & (ALL_BITS >> np.uint64(WORD_BITS - used)))
    return matched
