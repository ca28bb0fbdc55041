"""What the parsers give: candidates with their own piece of the completion."""

from dataclasses import dataclass

from selfalign.prompt_synthesizer.filters import Rejection


@dataclass(frozen=True, slots=True)
class Candidate:
    """One instruction or topic found in a completion, or one that was expected there."""

    raw: str
    """The piece of the completion, untouched."""
    text: str = ""
    """The instruction, or the topic."""
    input: str = ""
    rejection: Rejection | None = None
    """Set where the piece has not the form that was asked for."""
