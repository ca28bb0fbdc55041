"""Parsing what a model wrote after the thoughts header; never raises, whatever the text."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from selfalign.constitution.schema import Constitution

# Thoughts mention other numbers too. Without the rules sentence only `3 (helpful)` is a citation;
# after its lead a bare number is one as well, unless it is part of a decimal, of a number with
# thousands separators, or of a percentage.
_NAMED = re.compile(r"(?<!\d)(\d{1,3}) ?\(([^()\n]*)\)", re.ASCII)
_NUMBERED = re.compile(r"(?<![\d.,])(\d{1,3})(?![\d%]|[.,]\d)(?: ?\(([^()\n]*)\))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class CitedRule:
    """A rule as the thoughts cite it."""

    id: int
    name: str
    """Empty where only the number is cited."""
    known: bool
    agrees: bool
    """The number is known and the name, if there is one, is that principle's."""


@dataclass(frozen=True, slots=True)
class ParsedCompletion:
    """The parts of a completion."""

    opened: bool
    """The thoughts begin with the opening sentence."""
    thoughts: str
    rules: tuple[CitedRule, ...]
    answer: str | None
    """None where no answer header was written."""
    ended: bool
    """The answer ended by itself: another turn follows it."""
    rest: str
    """The following turns, untouched."""


def parse_completion(c: Constitution, text: str) -> ParsedCompletion:
    """Splits a completion into thoughts, answer and what follows.

    White space before the thoughts is ignored: some engines keep it, others do not.
    """
    w = c.wording
    body = text.lstrip()
    turns = (w.user_header, w.thoughts_header, w.auto_reply_header)
    start, next_turn = _first(body, (w.answer_header,)), _first(body, turns)
    if start < 0 or 0 <= next_turn < start:
        end = len(body) if next_turn < 0 else next_turn
        return _parsed(c, body[:end], None, body[end:])
    after = start + 1 + len(w.answer_header)
    end = _first(body, (*turns, w.answer_header), after, gap="\n\n")
    end = len(body) if end < 0 else end
    return _parsed(c, body[:start], body[after:end], body[end:])


def cited_rules(c: Constitution, thoughts: str) -> tuple[CitedRule, ...]:
    """The rules that thoughts cite, each pair of number and name once, in order.

    Number and name agree if the constitution has the number and the name is that principle's, in
    any case; a bare number agrees with itself. Where they do not agree the number decides which
    rule is cited, since that is what rows and counts are kept by.
    """
    names = {principle.id: principle.name.casefold() for principle in c.principles}
    return tuple(
        CitedRule(
            id=number,
            name=name,
            known=number in names,
            agrees=number in names and name.casefold() in ("", names[number]),
        )
        for number, name in dict.fromkeys(_citations(c, thoughts))
    )


def _citations(c: Constitution, thoughts: str) -> Iterator[tuple[int, str]]:
    lead = c.wording.rules_lead
    # The last one: an analysis may use the same words before the sentence itself.
    place = thoughts.rfind(lead)
    pattern = _NAMED if place < 0 else _NUMBERED
    for match in pattern.finditer(thoughts, 0 if place < 0 else place + len(lead)):
        yield int(match[1]), (match[2] or "").strip()


def _first(text: str, headers: tuple[str, ...], start: int = 0, gap: str = "\n") -> int:
    """Where the first of the headers begins after `gap`; -1 if none does."""
    places = [text.find(gap + header, start) for header in headers]
    return min((place for place in places if place >= 0), default=-1)


def _parsed(c: Constitution, thoughts: str, answer: str | None, rest: str) -> ParsedCompletion:
    thoughts = thoughts.strip()
    return ParsedCompletion(
        opened=thoughts.startswith(c.wording.opening),
        thoughts=thoughts,
        rules=cited_rules(c, thoughts),
        answer=None if answer is None else answer.strip(),
        ended=bool(rest),
        rest=rest,
    )
