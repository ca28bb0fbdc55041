"""Stop sequences and finish reasons, the same for every engine."""

from collections.abc import Mapping, Sequence

from selfalign.inference.engine import FinishReason


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
    reported: str | None, *, cut: bool, tokens: int, max_new_tokens: int, stop_reported: bool
) -> FinishReason:
    """Our three reasons out of the dialects.

    OpenAI's "stop" is either; `stop_reported` says whether a stop sequence may have ended it. No
    reason at all is told by the number of tokens.
    """
    if cut or reported == "stop_sequence":
        return "stop_sequence"
    if reported == "length":
        return "length"
    if reported == "stop":
        return "stop_sequence" if stop_reported else "eos_token"
    if reported in (None, "") and tokens >= max_new_tokens:
        return "length"
    return "eos_token"


def matching_logprob(candidate: str, likely: Mapping[str, float]) -> float | None:
    """The candidate's log-probability among the most likely tokens, None if it is not there.

    Some servers show a token without its leading space; the likeliest of those then counts.
    """
    exact = likely.get(candidate)
    if exact is not None:
        return exact
    bare = candidate.strip()
    return max((value for token, value in likely.items() if token.strip() == bare), default=None)
