"""What every scorer is: a section with what it expects of an answer, and how it reads one."""

import re
from abc import abstractmethod
from typing import Annotated, NamedTuple

from pydantic import AfterValidator

from selfalign.settings.section import Section

EVIDENCE_CHARS = 120
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+|\n+")
_LIST_NUMBER = re.compile(r"\W*\d{1,2}[.)]\W*")


class Verdict(NamedTuple):
    """Whether the answer has what the probe asks for, and the words that decided."""

    passed: bool
    evidence: str


class Scorer(Section):
    """One probe's expectations; its fields are the keys of `expected` in a file of probes.

    A scorer is a pure function of the answer's text. It is right about as often as docs/operating/
    probes.md says, not always.
    """

    @abstractmethod
    def judge(self, answer: str) -> Verdict:
        """Reads an answer that is not empty, without white space around it."""


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is no regular expression: {error}") from error
    return pattern


Pattern = Annotated[str, AfterValidator(_compiles)]
"""A regular expression; found anywhere, whatever the case, `.` matches line breaks too."""


def find(pattern: str, text: str) -> str:
    """The words of the text that match, in short; empty where none do."""
    found = re.search(pattern, text, re.IGNORECASE | re.DOTALL)
    return shortened(found[0]) or "(empty match)" if found else ""


def sentences(text: str) -> list[str]:
    """A text's sentences, at least one, without markdown emphasis.

    The number of a list's item is no sentence; a number at the end is one.
    """
    parts = [part.strip() for part in _SENTENCE_END.split(plain(text)) if part.strip()]
    if not parts:
        return [plain(text).strip()]
    numbers = [bool(_LIST_NUMBER.fullmatch(part)) for part in parts[:-1]]
    return [part for part, number in zip(parts, [*numbers, False], strict=True) if not number]


def plain(text: str) -> str:
    """Straight quotes, no markdown emphasis."""
    straight = text.replace("’", "'").replace("“", '"').replace("”", '"')
    return straight.replace("**", "").replace("__", "")


def shortened(text: str) -> str:
    """White space as single spaces, at most `EVIDENCE_CHARS` characters."""
    flat = " ".join(text.split())
    return flat if len(flat) <= EVIDENCE_CHARS else f"{flat[:EVIDENCE_CHARS]}..."
