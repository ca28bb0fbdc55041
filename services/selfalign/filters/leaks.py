"""What shows in an answer of the prompt behind it: turns, headings, rules, self-introductions."""

import re
from collections.abc import Iterable, Mapping, Sequence

from selfalign.filters.checks import excerpt
from selfalign.filters.declining import declines
from selfalign.filters.rejection import Rejection
from selfalign.filters.words import Gram, ngrams, words

_MIN_TURN = 4
"""Words of a turn that is looked for; a shorter one is something that anyone may say."""
_RULE = r"(?:principles?|rules?|guidelines?)\s+(?:no\.?\s*|number\s+|#\s*)?\(?\d{1,2}\)?"
_CITED = re.compile(
    r"\b(?:according to|as per|per|in (?:line|accordance|keeping) with|based on|guided by|under|"
    r"follow(?:s|ing)?|apply(?:ing)?|applies|by)\s+(?:the\s+|my\s+|our\s+|your\s+)?"
    rf"{_RULE}(?!\s+of\s+(?!my|these|the\s+(?:constitution|principles)))(?!\d)"
    rf"|\b(?:my|these)\s+{_RULE}"
    rf"|\b{_RULE}\s+(?:says|states|requires|tells me|asks me|applies)\b",
    re.IGNORECASE,
)
_RULES_ASKED = re.compile(r"\b(?:principle|rule|guideline|law|article|section)s?\b", re.IGNORECASE)
_ASSISTANT = (
    r"(?:ai|a\.i\.|artificial intelligence|language model|chatbot|virtual assistant|"
    r"(?:\w+,?\s+(?:and\s+)?){0,5}(?:ai\s+(?:language\s+)?(?:assistant|model)|"
    r"(?:helpful|honest|reliable|useful|ethical)\s+assistant))\b"
)
_ASKS_WHO = re.compile(
    r"\b(?:who (?:are|am i|is this)|what are you|your name|yourself|introduc\w+|are you an?|"
    r"about you|made you|created you|built you|you called|can you do)\b",
    re.IGNORECASE,
)


def turn_grams(texts: Iterable[str], run: int) -> Mapping[int, frozenset[Gram]]:
    """The runs of `run` words of each text by their length; a shorter text is one run."""
    found: dict[int, set[Gram]] = {}
    for text in texts:
        said = words(text)
        if len(said) >= _MIN_TURN:
            length = min(run, len(said))
            found.setdefault(length, set()).update(ngrams(said, length))
    return {length: frozenset(grams) for length, grams in found.items()}


def exemplar_turn(
    tokens: Sequence[str], asked: Sequence[str], turns: Mapping[int, frozenset[Gram]]
) -> Rejection | None:
    """`exemplar_turn`: the answer holds a user's turn or an automatic reply of an exemplar.

    What the prompt itself says does not count."""
    for length, known in turns.items():
        own = known - set(ngrams(asked, length)) if asked else known
        for gram in ngrams(tokens, length):
            if gram in own:
                return Rejection("exemplar_turn", f"holds a turn: {' '.join(gram)}")
    return None


def rules_cited(answer: str, prompt: str, citations: Sequence[str]) -> Rejection | None:
    """`rules_cited`: the answer tells the user which rule it follows.

    `citations` are the constitution's, as in `3 (helpful)`. A prompt about rules may be answered
    with some."""
    if _RULES_ASKED.search(prompt):
        return None
    found = _CITED.search(answer)
    if found:
        return Rejection("rules_cited", f"cites {found[0]!r}")
    for citation in citations:
        if citation in answer:
            return Rejection("rules_cited", f"cites {citation!r}")
    return None


def introduction_pattern(names: Iterable[str]) -> re.Pattern[str]:
    """Finds a self-introduction at the beginning of an answer, under any of the names."""
    called = "|".join(re.escape(name.lower()) for name in sorted(set(names)))
    return re.compile(
        r"^(?:(?:hello|hi|hey|greetings|sure|certainly|thank you)\b[^.!?]{0,20}[.!,]\s*)*"
        rf"(?:(?:i am|i'm|this is|my name is)\s+(?:(?:{called})\b|an?\s+{_ASSISTANT})"
        rf"|as an?\s+{_ASSISTANT})"
    )


def introduction(answer: str, prompt: str, pattern: re.Pattern[str]) -> Rejection | None:
    """`introduces_itself`: the answer begins by saying who is speaking, and nobody asked."""
    start = answer.lstrip().replace("’", "'").lower()[:200]
    if not pattern.match(start) or _ASKS_WHO.search(prompt) or declines(answer):
        return None
    return Rejection("introduces_itself", f"begins with its introduction: {excerpt(answer)}")


def name_leak(answer: str, names: Sequence[str]) -> Rejection | None:
    """`header_leak`: the answer speaks of the verbose prompt's persona."""
    for name in names:
        place = answer.find(name)
        if place >= 0:
            around = answer[max(0, place - 40) : place + 80]
            return Rejection("header_leak", f"names {name!r}: {excerpt(around)}")
    return None


def section_pattern(headings: Sequence[str]) -> re.Pattern[str] | None:
    """Finds a line that is one of the headings, marked as one: `## See also`, `**See also**`."""
    if not headings:
        return None
    names = "|".join(map(re.escape, headings))
    return re.compile(
        rf"^[ \t]*(?:#{{1,6}}[ \t]*|==+[ \t]*|\*\*)({names})\b", re.MULTILINE | re.IGNORECASE
    )


def section_heading(answer: str, pattern: re.Pattern[str] | None) -> Rejection | None:
    """`section_heading`: a heading that only an encyclopedia page has."""
    match = pattern.search(answer) if pattern else None
    return Rejection("section_heading", f"holds the heading {match[0]!r}") if match else None
