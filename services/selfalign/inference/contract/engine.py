"""The contract of an inference engine, and the values that cross it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from selfalign.settings.sampling import SamplingParams

FinishReason = Literal["length", "eos_token", "stop_sequence"]


@dataclass(frozen=True, slots=True)
class Completion:
    """What an engine wrote for one prompt."""

    text: str
    """Without the stop sequence that ended it and without special tokens."""
    finish_reason: FinishReason
    prompt_tokens: int
    completion_tokens: int
    latency_ms: float


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What an engine says of itself; None where its API does not tell."""

    model_id: str
    max_input_tokens: int | None
    max_total_tokens: int | None
    max_concurrent_requests: int | None
    ngram_penalties: bool = False
    """Whether SamplingParams.ngram_penalties has an effect."""
    model_sha: str = ""
    """Which version of the model; empty where the engine does not say."""


@dataclass(frozen=True, slots=True)
class ContinuationScore:
    """How likely an engine finds a continuation of a prompt."""

    logprob: float
    """Sum over the continuation's tokens, natural logarithm."""
    tokens: int
    """Tokens of the continuation."""

    @property
    def mean(self) -> float:
        """Log-probability per token."""
        return self.logprob / self.tokens if self.tokens else 0.0


class Engine(Protocol):
    """One model behind an HTTP API. Safe for many concurrent calls on one event loop."""

    async def generate(
        self, prompt: str, params: SamplingParams, *, seed: int | None, deadline_s: float
    ) -> Completion:
        """Completes `prompt`.

        The text is cut at the first stop sequence, also where the engine matches stop sequences
        only at token borders. Waits for room, retries connection errors, 429 and 5xx with backoff
        and jitter inside `deadline_s` seconds, which count from when there is room; cancelling the
        call ends the engine's work.

        Raises:
            EngineRejected: the request itself is wrong or too long.
            EngineUnauthorized: the token is wrong.
            EngineTimeout: `deadline_s` passed.
            EngineUnavailable, EngineOverloaded, EngineError: retries did not help.
        """
        ...

    async def next_token_logprobs(
        self, prompt: str, candidates: Sequence[str], *, deadline_s: float
    ) -> list[float | None]:
        """Log-probability of each candidate being the next token after `prompt`.

        None for a candidate that the engine did not report among its most likely tokens.
        Candidates are single tokens, with their leading space if they have one.
        """
        ...

    async def score(
        self, prompt: str, continuations: Sequence[str], *, deadline_s: float
    ) -> list[ContinuationScore]:
        """Log-probability of each continuation given the prompt.

        Raises:
            LogprobsUnsupported: the engine gives none for a prompt's tokens.
            EngineError: as for `generate`.
        """
        ...

    async def count_tokens(self, text: str) -> int | None:
        """Tokens of `text`, special tokens included; None where the engine has no tokenizer API."""
        ...

    async def info(self) -> EngineInfo:
        """The engine's limits.

        Raises:
            EngineUnavailable: it is down.
            ModelError: the adapter that the client should use is not loaded.
        """
        ...

    async def close(self) -> None:
        """Closes connections; the engine cannot be used afterwards."""
        ...
