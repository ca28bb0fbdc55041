"""Local filters: each looks at one candidate alone; a rejection says what was found."""

import re
import string
from collections.abc import Sequence
from functools import lru_cache

from selfalign.filters.rejection import Rejection
from selfalign.prompt_synthesizer.candidates import Reason, shorten
from selfalign.prompt_synthesizer.synthesizer_settings import PromptFilterSettings

MARKERS = re.compile(r"###|\b(?:type|topic|instruction|input):", re.IGNORECASE)


def check_instruction(
    instruction: str, input: str, settings: PromptFilterSettings, examples: Sequence[str] = ()
) -> Rejection | None:
    """The first filter that the instruction fails, or None (published filters, in their order).

    Args:
        examples: Instructions that its prompt showed.
    """
    if not instruction:
        return Rejection(Reason.EMPTY, "")
    words = len(instruction.split())
    if words < settings.min_words:
        return Rejection(Reason.TOO_SHORT, f"{words} words, at least {settings.min_words}")
    if settings.max_words is not None and words > settings.max_words:
        return Rejection(Reason.TOO_LONG, f"{words} words, at most {settings.max_words}")
    characters = len(instruction) + len(input)
    if settings.max_chars is not None and characters > settings.max_chars:
        evidence = f"{characters} characters, at most {settings.max_chars}"
        return Rejection(Reason.TOO_LONG, evidence)
    found = _blacklisted(f"{instruction}\n{input}", settings.blacklist)
    if found is not None:
        return Rejection(Reason.BLACKLISTED_WORD, found)
    first = instruction[0]
    if settings.bad_first_character and first in string.punctuation:
        return Rejection(Reason.BAD_FIRST_CHARACTER, first)
    if settings.non_ascii_start and not first.isascii():
        return Rejection(Reason.NON_ASCII_START, first)
    if settings.endings and not instruction.endswith(settings.endings):
        return Rejection(Reason.BAD_ENDING, instruction[-1])
    if settings.echo:
        return _echo(instruction, examples)
    return None


def check_topic(topic: str, max_words: int) -> Rejection | None:
    """The first filter that a brainstormed topic fails, or None."""
    words = len(topic.split())
    if not 1 <= words <= max_words:
        return Rejection(Reason.BAD_TOPIC_LENGTH, f"{words} words, 1 to {max_words}")
    if topic[0] not in string.ascii_uppercase:
        return Rejection(Reason.BAD_TOPIC_CAPITAL, topic[0])
    if topic[-1] in string.punctuation:
        return Rejection(Reason.BAD_TOPIC_PUNCTUATION, topic[-1])
    return None


def _blacklisted(text: str, blacklist: tuple[str, ...]) -> str | None:
    if not blacklist:
        return None
    match = _blacklist_pattern(blacklist).search(text)
    return match.group() if match else None


@lru_cache(maxsize=16)
def _blacklist_pattern(blacklist: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, blacklist))})\b", re.IGNORECASE)


def _echo(instruction: str, examples: Sequence[str]) -> Rejection | None:
    marker = MARKERS.search(instruction)
    if marker:
        return Rejection(Reason.ECHO, f"marker {marker.group()!r}")
    plain = instruction.casefold().strip()
    for example in examples:
        if example.casefold().strip() == plain:
            return Rejection(Reason.ECHO, f"an example: {shorten(example)}")
    return None
