"""Degenerate repetition: loops are cut, legitimate repeats are left alone.

The published filter cuts at the first repeated clause, and with it refrains, lists and code. Here a
loop is a block of words that comes again at once, several times over; list items, numbers and code
never count.
"""

import re
from typing import Annotated

from pydantic import Field

from selfalign.filters.words import ngrams, words
from selfalign.settings.section import Section

# Lines that may repeat: list items, table rows, indented or fenced code, statements.
_LIST_ITEM = re.compile(r"\s*(?:[-*+•|>]|\(?\w{1,3}[.)])(?:\s|$)")
_CODE_LINE = re.compile(r"(?: {4}|\t)|.*(?:[;{}\\]|\w\(.*\):?|[^\w\s]=.*|\w\s?=\s?\S.*)\s*$")
_FENCE = re.compile(r"\s*(?:```|~~~)")
_TOKEN = re.compile(r"\S+")
_GRAM = 4


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
    "a b c a b c a" has period 3 and length 7. Comparing all periods at all places would take time
    quadratic in the tokens. A loop is at least `min_words` long, though, and so holds some 4-gram
    twice at the distance of its period; only such pairs are followed up.
    """
    runs: dict[tuple[int, int], int] = {}
    for place, period in _repeated_grams(tokens):
        # A gram inside the block may have repeated at a shorter distance first, and hidden the
        # true beginning: go back as far as the period holds.
        start = place
        while start and tokens[start - 1] == tokens[start - 1 + period]:
            start -= 1
        if (start, period) not in runs:
            end = place + period
            while end < len(tokens) and tokens[end - period] == tokens[end]:
                end += 1
            runs[start, period] = end - start
    return sorted((start, period, length) for (start, period), length in runs.items())


def _repeated_grams(tokens: list[str]) -> list[tuple[int, int]]:
    """(place, distance to the next occurrence) of each 4-gram that occurs again, once a run."""
    grams = ngrams(tokens, _GRAM)
    if len(set(grams)) == len(grams):
        return []
    last: dict[tuple[str, ...], int] = {}
    found: list[tuple[int, int]] = []
    for place, gram in enumerate(grams):
        before = last.get(gram)
        if before is not None:
            period = place - before
            # Inside a run of one period only its first place needs a look.
            if not found or found[-1][1] != period or tokens[before - 1] != tokens[place - 1]:
                found.append((before, period))
        last[gram] = place
    return found


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
