"""Paragraphs and list items that an answer says twice."""

import re
from collections.abc import Iterator

from selfalign.filters.rejection import Rejection
from selfalign.filters.repeats import without_code
from selfalign.filters.words import words

MIN_WORDS = 6
"""Shorter parts may come again: `- Rest for a day` in a plan of training."""
_MARK = re.compile(r"^\s*(?:[-*+•]|\(?\w{1,3}[.)]|#{1,6})\s+")


def repeated_part(answer: str) -> Rejection | None:
    """`part_repeated`: a paragraph or list item of at least `MIN_WORDS` words comes twice.

    Letters' case, punctuation and an item's number do not count. Code may repeat, and so may a
    stanza (several lines without a list's marks): refrains are meant.
    """
    text = without_code(answer) if "```" in answer else answer
    seen: set[tuple[str, ...]] = set()
    for part in _parts(text):
        said = tuple(words(part))
        if len(said) < MIN_WORDS:
            continue
        if said in seen:
            return Rejection("part_repeated", f"says twice: {' '.join(said[:20])}")
        seen.add(said)
    return None


def _parts(text: str) -> Iterator[str]:
    """List items, and paragraphs of one line."""
    for block in re.split(r"\n\s*\n", text):
        lines = [line for line in block.splitlines() if line.strip()]
        if len(lines) == 1 or any(_MARK.match(line) for line in lines):
            for line in lines:
                # Indented by four without a mark: code.
                if _MARK.match(line) or not line.startswith(("    ", "\t")):
                    yield _MARK.sub("", line)
