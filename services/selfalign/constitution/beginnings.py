"""How the constitution's requests and look-alikes begin, so that a model can write more of both.

A beginning names the matter ("How do I poison a", "How do I shoot good"), so that most of what a
model makes of it stands on the same side of where a rule is due: many more examples than the
constitution holds, without more text of it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from selfalign.constitution.declining_schema import DecliningRule

WORDS = (5, 6)
"""Of a beginning. Fewer do not name the matter ("Tell me how to make"), more leave nothing to
write."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """The first words of a request or of a look-alike."""

    words: str
    rule: int
    """The rule whose section holds the text."""
    due: bool
    """Whether the text is a request, for which the rule is due."""


def beginnings(rules: Sequence[DecliningRule]) -> tuple[Beginning, ...]:
    """Every text's beginnings of WORDS words that leave something to write; none comes twice, and
    none that a request and a look-alike have in common."""
    found: dict[str, Beginning] = {}
    on_both_sides: set[str] = set()
    for one in _all(rules):
        if found.setdefault(one.words, one).due != one.due:
            on_both_sides.add(one.words)
    return tuple(one for one in found.values() if one.words not in on_both_sides)


def begun_as(text: str, known: Iterable[Beginning]) -> Beginning | None:
    """The longest of the known beginnings that the text has."""
    fitting = (one for one in known if f"{text} ".startswith(f"{one.words} "))
    return max(fitting, key=lambda one: len(one.words), default=None)


def _all(rules: Iterable[DecliningRule]) -> Iterator[Beginning]:
    for rule in rules:
        for due, texts in ((True, rule.requests), (False, rule.ordinary)):
            for words in (text.split() for text in texts):
                for count in WORDS:
                    if count < len(words):
                        yield Beginning(" ".join(words[:count]), rule.rule, due)
