"""Between the event loop and the engine's thread, for scores of given continuations."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from selfalign.model_server.api.generator import Generator, ServiceError
from selfalign.model_server.batching.active_request import ActiveRequest, Prompt
from selfalign.model_server.batching.token_events import Event, FailureEvent, ScoreEvent


@dataclass(frozen=True, slots=True)
class Scorer:
    """Scores through a generator's engine, under its permits and limits."""

    generator: Generator

    async def score(self, inputs: str, continuations: Sequence[str]) -> list[ScoreEvent]:
        """How likely each continuation is behind `inputs`, in their order.

        A token that the tokenizer makes across the border counts with the continuation.

        Raises:
            ServiceError: overloaded, too long, or the engine failed.
        """
        with self.generator.permits():
            prompts = self._prompts(inputs, continuations)
            futures: list[asyncio.Future[ScoreEvent]] = []
            requests: list[ActiveRequest] = []
            loop = asyncio.get_running_loop()
            try:
                for prompt in prompts:
                    future: asyncio.Future[ScoreEvent] = loop.create_future()
                    futures.append(future)
                    if prompt is None:
                        future.set_result(ScoreEvent(0.0, 0))
                        continue
                    deliver = partial(_deliver, loop, future)
                    requests.append(self.generator.engine.submit(prompt, deliver))
                return list(await asyncio.gather(*futures))
            finally:
                for request in requests:
                    self.generator.engine.cancel(request)

    def _prompts(self, inputs: str, continuations: Sequence[str]) -> list[Prompt | None]:
        """None for a continuation without a token."""
        tokenizer = self.generator.tokenizer
        before = tokenizer.encode(inputs)
        if not before:
            raise self._invalid("`inputs` cannot be empty")
        prompts: list[Prompt | None] = []
        for continuation in continuations:
            tokens = tokenizer.encode(inputs + continuation)
            most = self.generator.limits.max_total_tokens
            if len(tokens) > most:
                raise self._invalid(
                    f"`inputs` and a continuation must have {most} tokens together at most. "
                    f"Given: {len(tokens)}"
                )
            pairs = zip(before, tokens, strict=False)
            same = next((n for n, (one, two) in enumerate(pairs) if one != two), None)
            # The first token of all follows nothing.
            first = max(min(len(before), len(tokens)) if same is None else same, 1)
            given = Prompt(tuple(tokens), max_new_tokens=1, score_from=first)
            prompts.append(given if first < len(tokens) else None)
        return prompts

    def _invalid(self, message: str) -> ServiceError:
        self.generator.metrics.count("tgi_request_failure", 'err="validation"')
        return ServiceError(422, f"Input validation error: {message}", "validation")


def _deliver(
    loop: asyncio.AbstractEventLoop, future: "asyncio.Future[ScoreEvent]", event: Event
) -> None:
    # In the engine's thread, which may outlive the loop of a server that was stopped.
    if not loop.is_closed():
        loop.call_soon_threadsafe(_resolve, future, event)


def _resolve(future: "asyncio.Future[ScoreEvent]", event: Event) -> None:
    if future.done():
        return
    if isinstance(event, ScoreEvent):
        future.set_result(event)
    else:
        said = event.message if isinstance(event, FailureEvent) else "no score"
        message = f"Request failed during generation: Server error: {said}"
        future.set_exception(ServiceError(424, message, "generation"))
