"""One HTTP request's generation: permits, events of the engine's thread, timing, metrics."""

import asyncio
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from selfalign.model_server.engine import Engine
from selfalign.model_server.metrics import Metrics
from selfalign.model_server.requests import (
    Event,
    FailureEvent,
    Prompt,
    Running,
    Token,
    TokenEvent,
)
from selfalign.model_server.schemas import GenerateParameters
from selfalign.model_server.text import FinishReason, TextTokenizer
from selfalign.model_server.validation import InvalidRequest, Limits, ValidRequest, validate


class ServiceError(Exception):
    """An answer of the kind {"error", "error_type"}."""

    def __init__(self, status: int, message: str, error_type: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.error_type = error_type

    def body(self) -> dict[str, str]:
        """The JSON body."""
        return {"error": self.message, "error_type": self.error_type}


@dataclass(slots=True)
class Generation:
    """A running or finished generation."""

    valid: ValidRequest
    running: Running
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

    def headers(self) -> dict[str, str]:
        """TGI's x- headers of a finished generation; times in whole milliseconds."""
        started = self.running.started or self.ended
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


@dataclass(slots=True)
class Generator:
    """Admits requests to the engine and follows them."""

    engine: Engine
    tokenizer: TextTokenizer
    limits: Limits
    metrics: Metrics
    taken: int = 0
    """Permits in use."""

    def acquire(self, count: int = 1) -> None:
        """Takes permits.

        Raises:
            ServiceError: 429, there are not enough.
        """
        self.metrics.count("tgi_request_count")
        if self.taken + count > self.limits.max_concurrent_requests:
            self.metrics.count("tgi_request_failure", 'err="overloaded"')
            raise ServiceError(429, "Model is overloaded", "overloaded")
        self.taken += count

    def release(self, count: int = 1) -> None:
        """Gives permits back."""
        self.taken -= count

    def check(
        self, inputs: str, parameters: GenerateParameters, *, streaming: bool = False
    ) -> ValidRequest:
        """Validates.

        Raises:
            ServiceError: 422.
        """
        try:
            return validate(inputs, parameters, self.limits, self.tokenizer, streaming=streaming)
        except InvalidRequest as error:
            self.metrics.count("tgi_request_failure", 'err="validation"')
            raise ServiceError(422, f"Input validation error: {error}", "validation") from error

    def begin(self, valid: ValidRequest, prompt: Prompt, received: float) -> Generation:
        """Queues a prompt of a checked request in the engine."""
        loop = asyncio.get_running_loop()
        events: asyncio.Queue[Event] = asyncio.Queue()

        def deliver(event: Event) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(events.put_nowait, event)

        validated = time.perf_counter()
        self.metrics.observe("tgi_request_validation_duration", validated - received)
        self.metrics.observe("tgi_request_input_length", len(prompt.tokens))
        self.metrics.observe("tgi_request_max_new_tokens", prompt.max_new_tokens)
        running = self.engine.submit(prompt, deliver)
        return Generation(valid, running, events, received, validated)

    async def follow(self, generation: Generation) -> AsyncGenerator[TokenEvent, None]:
        """The tokens as they come; leaving early cancels the request.

        Raises:
            ServiceError: 424, the engine failed.
        """
        try:
            while generation.finish_reason is None:
                event = await generation.events.get()
                if isinstance(event, FailureEvent):
                    self.metrics.count("tgi_request_failure", 'err="generation"')
                    generation.finish_reason = "length"
                    message = f"Request failed during generation: Server error: {event.message}"
                    raise ServiceError(424, message, "generation")
                generation.tokens.append(event.token)
                generation.tops.append(event.top)
                generation.finish_reason = event.finish_reason
                if event.finish_reason is not None:
                    self._finish(generation)
                yield event
        finally:
            if generation.finish_reason is None:
                self.engine.cancel(generation.running)
                self.metrics.count("tgi_request_failure", 'err="dropped"')

    def _finish(self, generation: Generation) -> None:
        generation.ended = time.perf_counter()
        started = generation.running.started
        observe = self.metrics.observe
        observe("tgi_request_duration", generation.ended - generation.received)
        observe("tgi_request_queue_duration", started - generation.validated)
        observe("tgi_request_inference_duration", generation.ended - started)
        per_token = (generation.ended - started) / len(generation.tokens)
        observe("tgi_request_mean_time_per_token_duration", per_token)
        observe("tgi_request_generated_tokens", len(generation.tokens))
        self.metrics.count("tgi_request_success")
