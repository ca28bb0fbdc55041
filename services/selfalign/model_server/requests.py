"""A request inside the engine, and what it sends back."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from selfalign.model_server.prefix_cache import PrefixUse, Tokens
from selfalign.model_server.sampling import Chooser, Sampling
from selfalign.model_server.text import (
    FinishReason,
    IncrementalDecoder,
    StopRule,
    TextTokenizer,
)


@dataclass(frozen=True, slots=True)
class Token:
    """A token as TGI reports it."""

    id: int
    text: str
    logprob: float | None
    special: bool


@dataclass(frozen=True, slots=True)
class TokenEvent:
    """One generated token; the last one says why the request ended."""

    token: Token
    top: tuple[Token, ...]
    finish_reason: FinishReason | None


@dataclass(frozen=True, slots=True)
class FailureEvent:
    """The engine could not go on with the request."""

    message: str


Event = TokenEvent | FailureEvent


@dataclass(frozen=True, slots=True)
class Prompt:
    """A validated request: tokens and how to continue them."""

    tokens: tuple[int, ...]
    max_new_tokens: int
    sampling: Sampling = field(default_factory=Sampling)
    stop: tuple[str, ...] = ()
    prefill_logprobs: bool = False


@dataclass(eq=False, slots=True)
class Running:
    """A request's state, owned by the engine's thread; only `cancelled` is set from outside."""

    prompt: Prompt
    tokens: Tokens
    chooser: Chooser
    stop_rule: StopRule
    decoder: IncrementalDecoder
    deliver: Callable[[Event], None]
    """Called in the engine's thread."""
    submitted: float
    started: float = 0.0
    cancelled: bool = False
    last_token: int = -1
    produced: int = 0
    use: PrefixUse | None = None
    prefill: tuple[float | None, ...] = ()

    @property
    def single(self) -> bool:
        """Whether one token ends it: its keys and values are not kept."""
        return self.prompt.max_new_tokens == 1

    @property
    def prefix_length(self) -> int:
        """Prompt tokens that lie in a shared prefix."""
        return self.use.length if self.use is not None else 0

    @property
    def suffix(self) -> list[int]:
        """The prompt's own tokens behind the prefix."""
        tokens: list[int] = self.tokens[self.prefix_length :].tolist()
        return tokens


def make_running(
    prompt: Prompt,
    tokenizer: TextTokenizer,
    eos_token_ids: frozenset[int],
    deliver: Callable[[Event], None],
) -> Running:
    """The state of a new request."""
    penalised = prompt.sampling.repetition_penalty != 1.0
    return Running(
        prompt=prompt,
        tokens=np.array(prompt.tokens, dtype=np.int64),
        chooser=Chooser(prompt.sampling, set(prompt.tokens) if penalised else set()),
        stop_rule=StopRule(prompt.max_new_tokens, eos_token_ids, prompt.stop),
        decoder=IncrementalDecoder(tokenizer, list(prompt.tokens)),
        deliver=deliver,
        submitted=time.perf_counter(),
    )
