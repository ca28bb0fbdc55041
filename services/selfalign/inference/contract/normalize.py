"""What every engine's answers are brought to, whatever its API left open."""

from collections.abc import Mapping, Sequence

from selfalign.inference.contract.engine import FinishReason


def cut_at_stop(text: str, stops: Sequence[str]) -> tuple[str, bool]:
    """The text before the first stop sequence, and whether there was one.

    Engines match stop sequences at token borders only, or leave them in the text.
    """
    first = len(text)
    for stop in stops:
        at = text.find(stop, 0, first + len(stop) - 1)
        if at >= 0:
            first = min(first, at)
    return text[:first], first < len(text)


def finish_reason(
    reported: FinishReason | None, *, cut: bool, tokens: int, max_new_tokens: int
) -> FinishReason:
    """Why the text ends; where the engine did not say, the number of tokens tells, and without one
    the text counts as cut: nothing shows that it is whole."""
    if cut:
        return "stop_sequence"
    if reported is not None:
        return reported
    return "eos_token" if 0 < tokens < max_new_tokens else "length"


def matching_logprob(candidate: str, likely: Mapping[str, float]) -> float | None:
    """The candidate's log-probability among the most likely tokens, None if it is not there.

    Some servers show a token without its leading space; the likeliest of those then counts.
    """
    exact = likely.get(candidate)
    if exact is not None:
        return exact
    bare = candidate.strip()
    return max((value for token, value in likely.items() if token.strip() == bare), default=None)
