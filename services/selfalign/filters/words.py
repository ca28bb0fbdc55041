"""Words and n-grams of answers: the units in which overlap and repetition are measured."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

Gram = tuple[str, ...]
_WORD = re.compile(r"\w+(?:['’]\w+)*")


@dataclass(frozen=True, slots=True)
class Overlap:
    """How much of a text's n-grams another text holds."""

    share: float
    """Of the text's n-grams; 0 where the text is shorter than one."""
    longest: Gram
    """The longest run of words that both have, from n words on."""


def words(text: str) -> list[str]:
    """Lower-case words of any script; punctuation and white space are left out."""
    return _WORD.findall(text.lower())


def ngrams(tokens: Sequence[str], n: int) -> list[Gram]:
    """All runs of n words, in order."""
    return list(zip(*(tokens[start:] for start in range(n)), strict=False))


def overlap(
    tokens: Sequence[str], known: Collection[Gram], n: int, ignored: Collection[Gram] = ()
) -> Overlap:
    """Overlap of the words with `known` n-grams; `ignored` ones count as not shared."""
    hits = [gram in known and gram not in ignored for gram in ngrams(tokens, n)]
    best, end, run = 0, 0, 0
    for place, hit in enumerate(hits):
        run = run + 1 if hit else 0
        if run > best:
            best, end = run, place + n
    longest = tuple(tokens[end - best - n + 1 : end]) if best else ()
    return Overlap(sum(hits) / len(hits) if hits else 0.0, longest)
