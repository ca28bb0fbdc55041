"""Degenerate repetition: loops are cut, legitimate repeats are left alone.

The published filter cuts at the first repeated clause, and with it refrains, lists and code. Here a
loop is a block of words that comes again at once, several times over; list items, numbers and code
never count.
"""

import re
from collections.abc import Sequence
from itertools import combinations
from typing import Annotated

import numpy as np
from pydantic import Field

from selfalign.filters.words import ngrams, words
from selfalign.settings.section import Section

# Lines that may repeat: list items, table rows, indented or fenced code, statements.
_LIST_ITEM = re.compile(r"\s*(?:[-*+•|>]|\(?\w{1,3}[.)])(?:\s|$)")
_CODE_LINE = re.compile(r"(?: {4}|\t)|.*(?:[;{}\\]|\w\(.*\):?|[^\w\s]=.*|\w\s?=\s?\S.*)\s*$")
_FENCE = re.compile(r"\s*(?:```|~~~)")
_TOKEN = re.compile(r"\S+")
_GRAM = 4
_MOST_PAIRS = 8
"""Pairs of equal 4-grams for each token; where there are more, all distances are tried."""


class LoopSettings(Section):
    """When a repeated block of words counts as a loop."""

    enabled: bool = True
    """Whether answers are looked through for loops."""
    min_repeats: Annotated[int, Field(ge=2)] = 3
    """Times that a short block must stand in a row."""
    min_words: Annotated[int, Field(ge=4)] = 12
    """Words that all repeats of a short block must have together."""
    long_block: Annotated[int, Field(ge=8)] = 20
    """Words from which on a block is a loop if it comes twice in a row."""


def cut_loops(text: str, settings: LoopSettings) -> str:
    """The text up to the end of a loop's first round, or the whole text where there is none."""
    if not settings.enabled:
        return text
    tokens = text.lower().split()
    repeats = _repeats(tokens)
    # Places in the text are needed only where something repeats, which is rare.
    places = list(_TOKEN.finditer(text)) if repeats else []
    for start, period, length in repeats:
        if _is_loop(length, period, settings):
            begin, end = places[start].start(), places[start + length - 1].end()
            letters = any(map(str.isalpha, text[begin:end]))
            if letters and not _exempt(text, begin, end):
                return text[: places[_last_kept(tokens, start, period, length)].end()]
    return text


def distinct_share(text: str, n: int = _GRAM) -> float:
    """Share of distinct n-grams of words; 1 where the text is shorter than one.

    Numbers are left out: those of a numbered list would hide that its items are the same."""
    grams = ngrams([word for word in words(text) if not word.isdigit()], n)
    return len(set(grams)) / len(grams) if grams else 1.0


def without_code(text: str) -> str:
    """The text without its fenced blocks."""
    kept: list[str] = []
    fenced = False
    for line in text.splitlines():
        if _FENCE.match(line):
            fenced = not fenced
        elif not fenced:
            kept.append(line)
    return "\n".join(kept)


def _repeats(tokens: list[str]) -> list[tuple[int, int, int]]:
    """(start, period, length in tokens) of every run that may be a loop, the earliest first.

    In a run of period p every token equals the one p before it, as far as it reaches to both sides:
    "a b c a b c a" has period 3 and length 7.
    """
    periods = _periods(tokens)
    if not periods:
        return []
    order = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
    numbers = np.array([order[token] for token in tokens])
    found: list[tuple[int, int, int]] = []
    for period in periods:
        # A run lies between two places whose token differs from the one `period` behind it.
        differs = np.flatnonzero(numbers[period:] != numbers[:-period])
        edges = np.concatenate(([-1], differs, [len(numbers) - period]))
        equal = np.diff(edges) - 1
        for place in np.flatnonzero(equal >= max(period, _GRAM)).tolist():
            found.append((int(edges[place]) + 1, period, int(equal[place]) + period))
    return sorted(found)


def _periods(tokens: list[str]) -> Sequence[int]:
    """Periods that a loop may have.

    Comparing a text with itself at all distances takes time quadratic in its tokens. A loop is at
    least `min_words` long, though, and so holds some 4-gram twice at the distance of its period.
    All distances of a gram count, not the shortest alone: a block may repeat a part of itself.
    """
    longest = len(tokens) // 2
    places: dict[tuple[str, ...], list[int]] = {}
    for place, gram in enumerate(ngrams(tokens, _GRAM)):
        places.setdefault(gram, []).append(place)
    repeated = [found for found in places.values() if len(found) > 1]
    if sum(len(found) ** 2 for found in repeated) > _MOST_PAIRS * len(tokens):
        return range(1, longest + 1)
    distances = {later - early for found in repeated for early, later in combinations(found, 2)}
    return sorted(distance for distance in distances if distance <= longest)


def _last_kept(tokens: list[str], start: int, period: int, length: int) -> int:
    """The last token of the first round: the first end of a sentence from there on.

    A block may match from the middle of a sentence on; less than a second round is kept."""
    first = start + period - 1
    ends = range(first, min(first + period, start + length))
    return next((place for place in ends if tokens[place][-1] in ".!?…。！？"), first)


def _is_loop(length: int, period: int, settings: LoopSettings) -> bool:
    """Whether `length` tokens that repeat with `period` are a loop.

    A long block that comes twice is one already: twenty words are not repeated by chance. A short
    one needs more rounds, and enough words in all: "very, very, very" is emphasis.
    """
    if period >= settings.long_block and length >= 2 * period:
        return True
    return length >= max(settings.min_repeats * period, settings.min_words)


def _exempt(text: str, begin: int, end: int) -> bool:
    """Whether text[begin:end] lies in code, or holds list items or lines of code."""
    fences = sum(1 for line in text[:begin].splitlines() if _FENCE.match(line))
    if fences % 2:
        return True
    first = text.rfind("\n", 0, begin) + 1
    last = text.find("\n", end)
    lines = [
        line for line in text[first : last if last >= 0 else None].splitlines() if line.strip()
    ]
    return any(_FENCE.match(line) or _LIST_ITEM.match(line) or _is_code(line) for line in lines)


def _is_code(line: str) -> bool:
    return bool(_CODE_LINE.match(line))
