"""What the engine sends back for a request: its tokens, one by one, or its failure."""

from dataclasses import dataclass

from selfalign.model_server.batching.stopping import FinishReason


@dataclass(frozen=True, slots=True)
class Token:
    """A token as TGI reports it."""

    id: int
    text: str
    logprob: float | None
    """Natural logarithm; None for the first token of a prompt, which follows nothing."""
    special: bool


@dataclass(frozen=True, slots=True)
class TokenEvent:
    """One generated token; the last one says why the request ended."""

    token: Token
    top: tuple[Token, ...]
    """The likeliest tokens at this place, likeliest first, as many as the request asked for."""
    finish_reason: FinishReason | None


@dataclass(frozen=True, slots=True)
class FailureEvent:
    """The engine could not go on with the request."""

    message: str


@dataclass(frozen=True, slots=True)
class ScoreEvent:
    """How likely the given tokens are; a request that is scored has no other event."""

    logprob: float
    """Sum over the tokens, natural logarithm."""
    tokens: int


Event = TokenEvent | ScoreEvent | FailureEvent
