"""Units of work: each becomes one part, and is a pure function of the configuration and the store.

No unit depends on time, on the order of arrival or on the number of workers, so any worker can
redo any unit, and a create-only put decides whose part counts.
"""

from dataclasses import dataclass
from typing import Protocol

from selfalign.settings.prompt_source import SynthesizedSource
from selfalign.storage.rows import PromptItem


class Unit(Protocol):
    """What one part is made from."""

    @property
    def unit(self) -> int:
        """Its number, from 0: the part's number, and what decides whose turn it is."""
        ...


@dataclass(frozen=True, slots=True)
class TopicUnit:
    """All topics of one question type."""

    unit: int
    question_type: str
    known_topics: tuple[str, ...]
    quota: int
    seed: int


@dataclass(frozen=True, slots=True)
class PromptUnit:
    """A batch of requests for instructions of one source."""

    unit: int
    source: SynthesizedSource
    completions: int
    """Completions to ask for (all but topic_guided)."""
    hints: tuple[tuple[str, str], ...]
    """(question type, topic) of each instruction wanted (topic_guided)."""
    openings: tuple[str, ...]
    """What the user's words begin with, one for each completion; empty where the model chooses
    (template, request)."""
    seed: int


@dataclass(frozen=True, slots=True)
class RowUnit:
    """Prompts that are answered into one part."""

    unit: int
    items: tuple[PromptItem, ...]
