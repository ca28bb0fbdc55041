"""Between the event loop and the engine's thread: permits, validation, events, best_of, metrics."""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, replace

from selfalign.model_server.api.generation import Generation
from selfalign.model_server.api.request_bodies import GenerateParameters
from selfalign.model_server.api.tgi_metrics import TgiMetrics
from selfalign.model_server.api.validation import (
    InvalidRequest,
    RequestLimits,
    ValidRequest,
    validate,
)
from selfalign.model_server.batching.engine_thread import EngineThread
from selfalign.model_server.batching.token_events import (
    Event,
    FailureEvent,
    ScoreEvent,
    TokenEvent,
)
from selfalign.model_server.batching.tokenizer import TextTokenizer


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
class Generator:
    """Admits requests to the engine and follows them."""

    engine: EngineThread
    tokenizer: TextTokenizer
    limits: RequestLimits
    metrics: TgiMetrics
    taken: int = 0
    """Permits in use."""

    @contextmanager
    def permits(self, count: int = 1) -> Iterator[None]:
        """Holds permits: one for each generation that a request makes.

        Raises:
            ServiceError: 429, there are not enough.
        """
        self.metrics.count("tgi_request_count")
        if self.taken + count > self.limits.max_concurrent_requests:
            self.metrics.count("tgi_request_failure", 'err="overloaded"')
            raise ServiceError(429, "Model is overloaded", "overloaded")
        self.taken += count
        try:
            yield
        finally:
            self.taken -= count

    async def complete(
        self, inputs: str, parameters: GenerateParameters, *, templated: bool = False
    ) -> list[Generation]:
        """Runs a request, best_of times, to its end; the likeliest generation first.

        Args:
            inputs: The prompt.
            parameters: How to go on from it.
            templated: A chat template made the prompt, so that its special tokens are in it.

        Raises:
            ServiceError: overloaded, invalid or failed.
        """
        received = time.perf_counter()
        wanted = min(max(parameters.best_of or 1, 1), self.limits.max_best_of)
        with self.permits(wanted):
            valid = self.check(inputs, parameters, templated=templated)
            try:
                async with asyncio.TaskGroup() as group:
                    tasks = [
                        group.create_task(self._run(self.begin(one, received)))
                        for one in _with_own_seeds(valid)
                    ]
            except* ServiceError as errors:
                found: BaseException = errors
                while isinstance(found, BaseExceptionGroup):
                    found = found.exceptions[0]
                raise found from None
        generations = [task.result() for task in tasks]
        return sorted(generations, key=lambda one: one.mean_logprob, reverse=True)

    def check(
        self,
        inputs: str,
        parameters: GenerateParameters,
        *,
        streaming: bool = False,
        templated: bool = False,
    ) -> ValidRequest:
        """Validates; see `complete` for the arguments.

        Raises:
            ServiceError: 422.
        """
        try:
            return validate(
                inputs,
                parameters,
                self.limits,
                self.tokenizer,
                streaming=streaming,
                templated=templated,
            )
        except InvalidRequest as error:
            self.metrics.count("tgi_request_failure", 'err="validation"')
            raise ServiceError(422, f"Input validation error: {error}", "validation") from error

    def begin(self, valid: ValidRequest, received: float) -> Generation:
        """Queues a checked request in the engine; `received` is when its first byte was here."""
        loop = asyncio.get_running_loop()
        events: asyncio.Queue[Event] = asyncio.Queue()

        def deliver(event: Event) -> None:
            # In the engine's thread, which may outlive the loop of a server that was stopped.
            if not loop.is_closed():
                loop.call_soon_threadsafe(events.put_nowait, event)

        prompt = valid.prompt
        validated = time.perf_counter()
        self.metrics.observe("tgi_request_validation_duration", validated - received)
        self.metrics.observe("tgi_request_input_length", len(prompt.tokens))
        self.metrics.observe("tgi_request_max_new_tokens", prompt.max_new_tokens)
        return Generation(valid, self.engine.submit(prompt, deliver), events, received, validated)

    async def follow(self, generation: Generation) -> AsyncGenerator[TokenEvent, None]:
        """The tokens as they come; leaving early cancels the request.

        Raises:
            ServiceError: 424, the engine failed.
        """
        try:
            while generation.finish_reason is None:
                event = await generation.events.get()
                assert not isinstance(event, ScoreEvent)
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
                self.engine.cancel(generation.request)
                self.metrics.count("tgi_request_failure", 'err="dropped"')

    async def _run(self, generation: Generation) -> Generation:
        async with aclosing(self.follow(generation)) as events:
            async for _ in events:
                continue
        return generation

    def _finish(self, generation: Generation) -> None:
        generation.ended = time.perf_counter()
        started = generation.request.started
        observe = self.metrics.observe
        observe("tgi_request_duration", generation.ended - generation.received)
        observe("tgi_request_queue_duration", started - generation.validated)
        observe("tgi_request_inference_duration", generation.ended - started)
        per_token = (generation.ended - started) / len(generation.tokens)
        observe("tgi_request_mean_time_per_token_duration", per_token)
        observe("tgi_request_generated_tokens", len(generation.tokens))
        self.metrics.count("tgi_request_success")


def _with_own_seeds(valid: ValidRequest) -> list[ValidRequest]:
    """The request once for each of its `best_of` generations."""
    sampling = valid.prompt.sampling
    seeds = ((sampling.seed + number) % 2**64 for number in range(valid.best_of))
    return [
        replace(valid, prompt=replace(valid.prompt, sampling=replace(sampling, seed=seed)))
        for seed in seeds
    ]
