"""Instructions that a chat model writes as the user: the turn of its own chat template."""

from selfalign.filters.rejection import Rejection
from selfalign.prompt_synthesizer.candidates import Candidate, Reason


def parse_user_turn(completion: str, *, cut: bool, opening: str = "") -> Candidate:
    """The candidate: the whole turn, with its lines as written.

    Args:
        cut: The token limit ended the completion, so that the turn has no end.
        opening: The words that the turn was begun with; the completion goes on from there.
    """
    if not completion.strip():
        return Candidate(completion, rejection=Rejection(Reason.EMPTY, "the model wrote no words"))
    text = f"{opening}{completion}".strip()
    rejection = Rejection(Reason.TRUNCATED, "the token limit ended this turn") if cut else None
    return Candidate(completion, text, rejection=rejection)
