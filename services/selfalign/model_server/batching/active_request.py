"""A request inside the engine: what was asked, and how far it has come."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from selfalign.model_server.batching.prefix_cache import (
    ROWS,
    SCORES,
    PrefixUse,
    Sharing,
    TokenIds,
)
from selfalign.model_server.batching.repeated_runs import RepeatedRuns
from selfalign.model_server.batching.sampler import Sampling, SamplingState
from selfalign.model_server.batching.stopping import StopRule
from selfalign.model_server.batching.token_events import Event
from selfalign.model_server.batching.tokenizer import IncrementalDecoder, TextTokenizer


@dataclass(frozen=True, slots=True)
class Prompt:
    """A validated request: tokens and how to continue them."""

    tokens: tuple[int, ...]
    max_new_tokens: int
    sampling: Sampling = field(default_factory=Sampling)
    stop: tuple[str, ...] = ()
    prefill_logprobs: bool = False
    """Whether the log-probabilities of the prompt's own tokens are wanted too."""
    score_from: int | None = None
    """Given: nothing is generated; the tokens from this place on are scored, after those before."""


@dataclass(eq=False, slots=True)
class ActiveRequest:
    """A request's state, owned by the engine's thread; only `cancelled` is set from outside."""

    prompt: Prompt
    tokens: TokenIds
    """The prompt's, (tokens,)."""
    sampling: SamplingState
    stop_rule: StopRule
    decoder: IncrementalDecoder
    deliver: Callable[[Event], None]
    """Called in the engine's thread."""
    started: float = 0.0
    """When the engine first took it up, in seconds of time.perf_counter(); 0: it waits."""
    cancelled: bool = False
    last_token: int = -1
    """Generated, but not run through the model yet: the input of the next step."""
    prefix: PrefixUse | None = None
    """What it reads of a remembered prefix; the rest of its context is its suffix."""
    prefill_logprobs: tuple[float | None, ...] = ()
    """One for each token of the prompt, once they are computed."""

    @property
    def single(self) -> bool:
        """Whether one token ends it: its keys and values are not kept."""
        return self.prompt.max_new_tokens == 1

    @property
    def shareable(self) -> TokenIds:
        """The tokens of which a prefix may be made: those that are scored need hidden states."""
        return self.tokens[: self.prompt.score_from]

    @property
    def sharing(self) -> Sharing:
        """What is worth sharing with other requests."""
        return ROWS if self.prompt.score_from is None else SCORES

    @property
    def prefix_length(self) -> int:
        """Prompt tokens that lie in a shared prefix."""
        return self.prefix.length if self.prefix is not None else 0

    @property
    def suffix(self) -> list[int]:
        """The prompt's own tokens behind the prefix."""
        tokens: list[int] = self.tokens[self.prefix_length :].tolist()
        return tokens

    @property
    def most_tokens(self) -> int:
        """Tokens that it may come to hold: its prompt and all that it may generate."""
        return len(self.tokens) + self.prompt.max_new_tokens


def make_active(
    prompt: Prompt,
    tokenizer: TextTokenizer,
    eos_token_ids: frozenset[int],
    deliver: Callable[[Event], None],
) -> ActiveRequest:
    """The state of a new request."""
    penalised = prompt.sampling.repetition_penalty != 1.0
    penalties = prompt.sampling.ngram_penalties
    return ActiveRequest(
        prompt=prompt,
        tokens=np.array(prompt.tokens, dtype=np.int64),
        sampling=SamplingState(
            prompt.sampling,
            seen=set(prompt.tokens) if penalised else set(),
            runs=RepeatedRuns(penalties, tokenizer.word_starts) if any(penalties) else None,
        ),
        stop_rule=StopRule(prompt.max_new_tokens, eos_token_ids, prompt.stop),
        decoder=IncrementalDecoder(tokenizer, list(prompt.tokens)),
        deliver=deliver,
    )
