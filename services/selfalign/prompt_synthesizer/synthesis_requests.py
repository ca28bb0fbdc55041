"""Completions asked of the engine: many under way at once, answered in the order of requests."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from selfalign.errors import EngineError, EngineLost, PromptTooLong, SelfAlignError
from selfalign.inference.contract.engine import Completion, Engine
from selfalign.prompt_synthesizer.topic_guided import Hint
from selfalign.settings.sampling import SamplingParams

CompletionOrError = Completion | SelfAlignError
Answer = TypeVar("Answer")


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
        """The completion, or the error that this one request ended with. Raises EngineLost."""
        async with self._room:
            try:
                return await self._engine.generate(
                    request.prompt,
                    request.sampling,
                    seed=request.seed,
                    deadline_s=self._deadline_s,
                )
            except EngineLost:
                raise
            except (EngineError, PromptTooLong) as error:
                return error


async def in_order(
    make: Callable[[int], SynthesisRequest | None],
    ask: Callable[[int, SynthesisRequest], Awaitable[Answer]],
    window: int,
) -> AsyncGenerator[Answer, None]:
    """What `ask` makes of each number and request, for 0, 1, ... until `make` gives None.

    `make(n)` is called once the consumer is done with answer n - window and all before it, and
    before it sees a later one: what is made does not depend on which answer came first. Closing the
    iterator (use contextlib.aclosing) cancels what is under way.
    """
    pending: deque[asyncio.Future[Answer]] = deque()
    number = 0
    try:
        while True:
            while len(pending) < window:
                request = make(number)
                if request is None:
                    break
                pending.append(asyncio.ensure_future(ask(number, request)))
                number += 1
            if not pending:
                return
            answer = await pending[0]
            pending.popleft()
            yield answer
    finally:
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
