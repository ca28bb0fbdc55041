"""Scorers of tasks: done, in the form that was asked for, and not described."""

import re
from typing import Annotated, Self

from pydantic import AfterValidator, model_validator

from selfalign.evaluation.probes.scorers.contract import Pattern, Scorer, Verdict, find, sentences
from selfalign.filters.declining import declines
from selfalign.filters.repeats import LoopSettings, cut_loops, distinct_share
from selfalign.filters.words import words


def _rising(bounds: tuple[int, int]) -> tuple[int, int]:
    if not 0 <= bounds[0] <= bounds[1]:
        raise ValueError(
            f"[{bounds[0]}, {bounds[1]}]: expected the least and the most, e.g. [2, 4]"
        )
    return bounds


Bounds = Annotated[tuple[int, int], AfterValidator(_rising)]
MIN_DISTINCT = 0.5
"""Share of distinct runs of four words below which an answer is a loop."""
MOST_WORDS_AN_ITEM = 5
_ITEM = re.compile(r"^\s*(?:[-*+•]|\(?\d{1,2}[.)])\s+\S", re.MULTILINE)
_DESCRIBES = (
    r"^\W*(?:(?:sure|certainly|of course|great|okay|ok)\W+)?(?:"
    r"to (?:write|create|make|compose|sort|translate|put|correct|summari[sz]e|find|turn|convert|"
    r"replace|rewrite|describe|craft|come up)\b[^.:\n]{0,80}(?:,|\byou\b)"
    r"|(?:a|an) (?:good |short |great )?(?:poem|haiku|riddle|slogan|toast|story|summary|dialogue|"
    r"rhyme|greeting)s? (?:is|should|can|needs?|has)\b"
    r"|(?:when|if|before) (?:you|one) (?:want|write|translate|sort|need|create)"
    r"|you (?:can|could|should|need to|may want to)\b"
    r"|i(?:'m| am) here to\b|i (?:can|could|would|will) (?:help|assist|be happy|gladly)"
    r"|i(?:'d| would) (?:be happy|love) to\b|here (?:is|are) (?:how|some tips|a few tips|the steps)"
    r"|here's how|(?:writing|translating|sorting|summari[sz]ing) (?:a|an|it|the|this|text|words)\b"
    r"|the (?:best|easiest|first) (?:way|step)\b)"
)


class _Patterns(Scorer):
    contains: tuple[Pattern, ...] = ()
    """All of them must be there."""
    excludes: tuple[Pattern, ...] = ()
    """None of them may be there."""

    def judge(self, answer: str) -> Verdict:
        """In the order of the fields."""
        for pattern in self.contains:
            if not find(pattern, answer):
                return Verdict(False, f"lacks {pattern}")
        for pattern in self.excludes:
            if found := find(pattern, answer):
                return Verdict(False, f"holds {found}")
        return Verdict(True, "as expected")


class PatternsOfText(_Patterns):
    """`patterns`: what must and what must not be in the answer."""

    @model_validator(mode="after")
    def _some_pattern(self) -> Self:
        if not (self.contains or self.excludes):
            raise ValueError("contains: missing; expected patterns here or in excludes")
        return self


class DoesTheTask(_Patterns):
    """`does_the_task`: no declining, no description of how it is done, no loop; and the form."""

    lines: Bounds | None = None
    """Least and most lines that are not empty."""
    items: Bounds | None = None
    """The same of list items; an answer without a list counts its lines, or its commas."""
    words: Bounds | None = None
    """The same of words."""
    sentences: Bounds | None = None
    """The same of sentences."""
    order: tuple[str, ...] = ()
    """Words that must stand in this order."""

    def judge(self, answer: str) -> Verdict:
        """What is wrong first, in the order of the docstring."""
        if found := declines(answer):
            return Verdict(False, f"declines: {found}")
        if found := find(_DESCRIBES, answer):
            return Verdict(False, f"describes the task: {found}")
        if distinct_share(answer) < MIN_DISTINCT or cut_loops(answer, LoopSettings()) != answer:
            return Verdict(False, "is a loop")
        for name, count in self._counts(answer).items():
            bounds: tuple[int, int] | None = getattr(self, name)
            if bounds and not bounds[0] <= count <= bounds[1]:
                return Verdict(False, f"{count} {name}; expected {bounds[0]} to {bounds[1]}")
        if not _in_order(answer, self.order):
            return Verdict(False, f"lacks the order {', '.join(self.order)}")
        return super().judge(answer)

    @staticmethod
    def _counts(answer: str) -> dict[str, int]:
        lines = [line for line in answer.splitlines() if line.strip(" \t*_#-")]
        listed = len(_ITEM.findall(answer))
        return {
            "lines": len(lines),
            "items": listed or _unmarked_items(answer, lines),
            "words": len(words(answer)),
            "sentences": len(sentences(answer)),
        }


def _unmarked_items(answer: str, lines: list[str]) -> int:
    """Items of a list without marks: its lines, or what commas part where all of it is short."""
    if len(lines) > 1:
        return len(lines)
    items = answer.count(",") + 1
    return items if len(words(answer)) <= MOST_WORDS_AN_ITEM * items else 1


def _in_order(answer: str, order: tuple[str, ...]) -> bool:
    """Whether each word first stands after the one before it, as a whole word."""
    place = 0
    for word in order:
        found = re.compile(rf"\b{re.escape(word)}\b", re.IGNORECASE).search(answer, place)
        if not found:
            return False
        place = found.end()
    return True
