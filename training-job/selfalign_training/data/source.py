"""A row to train on, wherever it comes from."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Source:
    """The texts of one row: the stage's, or the user's own."""

    prompt_id: str
    instruction: str
    input: str
    answer: str
    complete: bool
