"""One generation of a request, under way or finished: its tokens, times, and headers."""

import asyncio
from dataclasses import dataclass, field

from selfalign.model_server.api.validation import ValidRequest
from selfalign.model_server.batching.active_request import ActiveRequest
from selfalign.model_server.batching.stopping import FinishReason
from selfalign.model_server.batching.token_events import Event, Token


@dataclass(slots=True)
class Generation:
    """A running or finished generation. Times are seconds of time.perf_counter()."""

    valid: ValidRequest
    request: ActiveRequest
    events: asyncio.Queue[Event]
    received: float
    validated: float
    tokens: list[Token] = field(default_factory=list)
    tops: list[tuple[Token, ...]] = field(default_factory=list)
    finish_reason: FinishReason | None = None
    ended: float = 0.0

    @property
    def text(self) -> str:
        """The completion, without special tokens."""
        return "".join(token.text for token in self.tokens if not token.special)

    @property
    def seed(self) -> int | None:
        """The seed that was used; None for greedy decoding."""
        sampling = self.valid.prompt.sampling
        return None if sampling.greedy else sampling.seed

    @property
    def mean_logprob(self) -> float:
        """Log-probability a token: how `best_of` ranks generations of different lengths."""
        logprobs = [token.logprob or 0.0 for token in self.tokens]
        return sum(logprobs) / max(len(logprobs), 1)

    def headers(self) -> dict[str, str]:
        """TGI's x- headers of a finished generation; times in whole milliseconds."""
        started = self.request.started or self.ended
        count = max(len(self.tokens), 1)
        times = {
            "x-total-time": self.ended - self.received,
            "x-validation-time": self.validated - self.received,
            "x-queue-time": started - self.validated,
            "x-inference-time": self.ended - started,
            "x-time-per-token": (self.ended - started) / count,
        }
        return {
            "x-compute-type": "cpu",
            "x-compute-time": f"{self.ended - self.received:.9f}",
            "x-compute-characters": str(len(self.valid.text)),
            **{name: str(max(0, int(seconds * 1000))) for name, seconds in times.items()},
            "x-prompt-tokens": str(len(self.valid.prompt.tokens)),
            "x-generated-tokens": str(len(self.tokens)),
        }
