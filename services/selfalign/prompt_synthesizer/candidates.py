"""Candidates, as the parsers find them in completions, and the reasons to reject one."""

from dataclasses import dataclass
from enum import StrEnum

from selfalign.filters.rejection import Rejection

EVIDENCE_LENGTH = 200


class Reason(StrEnum):
    """Why a candidate was rejected."""

    MALFORMED = "malformed"
    TRUNCATED = "truncated"
    EMPTY = "empty"
    WRONG_HINT = "wrong_hint"
    MISSING_LINE = "missing_line"
    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    BLACKLISTED_WORD = "blacklisted_word"
    BAD_FIRST_CHARACTER = "bad_first_character"
    NON_ASCII_START = "non_ascii_start"
    ECHO = "echo"
    BAD_TOPIC_FORMAT = "bad_topic_format"
    BAD_TOPIC_LENGTH = "bad_topic_length"
    BAD_TOPIC_CAPITAL = "bad_topic_capital"
    BAD_TOPIC_PUNCTUATION = "bad_topic_punctuation"
    DUPLICATE_TOPIC = "duplicate_topic"
    OFF_TYPE = "off_type"
    OFF_TOPIC = "off_topic"
    BAD_ENDING = "bad_ending"
    COMMON_OPENING = "common_opening"
    COMMON_TOPIC = "common_topic"
    NEAR_DUPLICATE = "near_duplicate"
    SURPLUS = "surplus"


@dataclass(frozen=True, slots=True)
class Candidate:
    """One instruction or topic found in a completion, or one that was expected there."""

    raw: str
    """Its own piece of the completion, untouched."""
    text: str = ""
    """The instruction, or the topic."""
    input: str = ""
    rejection: Rejection | None = None
    """Set where the piece does not have the form that was asked for."""


def shorten(text: str) -> str:
    """Evidence of bounded length."""
    return text if len(text) <= EVIDENCE_LENGTH else text[: EVIDENCE_LENGTH - 1] + "…"
