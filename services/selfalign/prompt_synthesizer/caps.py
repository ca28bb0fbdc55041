"""Caps on prompts that are alike without being near-duplicates: at most so many of one key."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from selfalign.prompt_synthesizer.candidates import Reason
from selfalign.storage.rows import Row


@dataclass(frozen=True, slots=True)
class Cap:
    """Of the candidates with the same key, the first `at_most` are kept."""

    reason: Reason
    at_most: int
    key: Callable[[Row], str | None]
    """None for rows that the cap does not concern."""


def openings(words: int, at_most: int, given: Sequence[str] = ()) -> Cap:
    """A cap on prompts of the chat template by their first `words` words: chat models are fond of
    a few ways to begin. Words that turns were begun with are `given`, and not counted among them:
    the model did not choose those."""
    known = sorted(given, key=len, reverse=True)

    def key(row: Row) -> str | None:
        if row.source != "template":
            return None
        begun = next((text for text in known if row.instruction.startswith(f"{text} ")), "")
        counted = words + len(begun.split())
        return " ".join(row.instruction.casefold().split()[:counted])

    return Cap(Reason.COMMON_OPENING, at_most, key)


def per_topic(at_most: int) -> Cap:
    """A cap on topic-guided prompts of one question type and topic; published: one."""

    def key(row: Row) -> str | None:
        return f"{row.question_type}: {row.topic}" if row.source == "topic_guided" else None

    return Cap(Reason.COMMON_TOPIC, at_most, key)
