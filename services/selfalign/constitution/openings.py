"""How the constitution's requests begin, where ordinary ones begin so too.

A student that sees "How do I ...?" declined far oftener than answered learns that these words are
the sign of harm. Ordinary prompts with the same beginnings, which a model can write itself, keep
that from happening without more text of the constitution.
"""

from collections.abc import Iterable, Sequence

from selfalign.constitution.declining_schema import DecliningRule

MAX_WORDS = 3
"""Of an opening: more would name the matter, and leave the model little to choose."""


def request_openings(rules: Iterable[DecliningRule]) -> tuple[str, ...]:
    """The opening of each request that has one: the words, up to MAX_WORDS, that it shares with the
    beginning of an ordinary request of its rule. One that several requests share comes as often."""
    found = (shared_opening(request, rule.ordinary) for rule in rules for request in rule.requests)
    return tuple(opening for opening in found if opening)


def shared_opening(text: str, others: Sequence[str]) -> str:
    """The longest beginning in whole words, up to MAX_WORDS, that `text` has in common with one of
    the others; empty where there is none."""
    words = text.split()[:MAX_WORDS]
    # A whole request is no opening: nothing would be left to write.
    longest = min(len(words), len(text.split()) - 1)
    for count in range(longest, 0, -1):
        if any(other.split()[:count] == words[:count] for other in others):
            return " ".join(words[:count])
    return ""
