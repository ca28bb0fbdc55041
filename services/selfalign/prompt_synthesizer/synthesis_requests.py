"""Completions asked of the engine: many under way at once, yielded in the order of requests."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass

from selfalign.errors import EngineError, PromptTooLong, SelfAlignError
from selfalign.inference.contract.engine import Completion, Engine
from selfalign.prompt_synthesizer.topic_guided import Hint
from selfalign.settings.sampling import SamplingParams

CompletionOrError = Completion | SelfAlignError


@dataclass(frozen=True, slots=True)
class SynthesisRequest:
    """One completion to ask for."""

    prompt: str
    sampling: SamplingParams
    seed: int
    examples: tuple[str, ...] = ()
    """Instructions that the prompt shows."""
    hints: tuple[Hint, ...] = ()


class BoundedEngine:
    """Asks the engine, with at most `max_in_flight` completions under way."""

    def __init__(self, engine: Engine, max_in_flight: int, deadline_s: float) -> None:
        self._engine = engine
        self._deadline_s = deadline_s
        self._room = asyncio.Semaphore(max_in_flight)

    async def ask(self, request: SynthesisRequest) -> CompletionOrError:
        """The completion, or the error that this one request ended with."""
        async with self._room:
            try:
                return await self._engine.generate(
                    request.prompt,
                    request.sampling,
                    seed=request.seed,
                    deadline_s=self._deadline_s,
                )
            except (EngineError, PromptTooLong) as error:
                return error


async def in_order(
    make: Callable[[int], SynthesisRequest | None],
    ask: Callable[[SynthesisRequest], Awaitable[CompletionOrError]],
    window: int,
) -> AsyncGenerator[tuple[int, SynthesisRequest, CompletionOrError], None]:
    """(number, request, answer) for numbers 0, 1, ... until `make` gives None.

    `make(n)` is called once the consumer is done with answer n - window and all before it, and
    before it sees a later one: what is made does not depend on which answer came first. Closing the
    iterator (use contextlib.aclosing) cancels what is under way.
    """
    pending: deque[tuple[int, SynthesisRequest, asyncio.Task[CompletionOrError]]] = deque()
    number = 0
    try:
        while True:
            while len(pending) < window:
                request = make(number)
                if request is None:
                    break
                task = asyncio.ensure_future(ask(request))
                pending.append((number, request, task))
                number += 1
            if not pending:
                return
            first, asked, task = pending[0]
            answer = await task
            pending.popleft()
            yield first, asked, answer
    finally:
        tasks = [task for _, _, task in pending]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
