"""The Engine of every HTTP API: admission, retries, connections and counts around a dialect."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from selfalign.errors import EngineError, EngineExchanged, RouteMissing
from selfalign.inference.client.adapter_check import AdapterCheck
from selfalign.inference.client.retry import RetryingCaller
from selfalign.inference.contract.engine import Completion, ContinuationScore, EngineInfo
from selfalign.inference.contract.normalize import cut_at_stop, finish_reason, matching_logprob
from selfalign.inference.dialects.dialect import ApiCall, Dialect, Generated
from selfalign.inference.http.http_errors import status_error
from selfalign.inference.http.transport import HttpTransport
from selfalign.settings.sampling import SamplingParams
from selfalign.telemetry.metrics import Metrics

Value = TypeVar("Value")

# Of questions that cost the engine nothing: its limits, the tokens of a text.
QUESTION_TIMEOUT_S = 10.0
MAX_TOKEN_CHARS = 256
"""The longest tokens of vocabularies, runs of white space, have half of it."""


class HttpEngine:
    """An Engine that speaks `dialect`."""

    def __init__(
        self,
        dialect: Dialect,
        transport: HttpTransport,
        caller: RetryingCaller,
        metrics: Metrics,
        *,
        top_logprobs: int,
        adapter_check: AdapterCheck | None = None,
    ) -> None:
        self._dialect = dialect
        self._transport = transport
        self._caller = caller
        self._prompt_tokens = metrics.engine_prompt_tokens
        self._completion_tokens = metrics.engine_completion_tokens
        self._top_logprobs = top_logprobs
        self._adapter_check = adapter_check
        self._scores_at_once = True
        """Until the server has said that it lacks the route."""
        self._model: tuple[str, str] | None = None
        """Name and version of what is served, as the engine said last; not what it said after an
        outage, before the two were compared."""
        self._outages = 0
        """Those after which they were."""
        self._exchanges = 0
        """Those after which they differed."""
        self._exchanged = ""
        """What was found the last time."""
        self._asking = asyncio.Lock()

    async def generate(
        self, prompt: str, params: SamplingParams, *, seed: int | None, deadline_s: float
    ) -> Completion:
        call = self._dialect.generate(prompt, params, seed)

        async def attempt() -> Completion:
            started = time.perf_counter()
            generated = await self._send(call)
            _check_length(generated, params)
            return _completion(generated, params, (time.perf_counter() - started) * 1e3)

        completion = await self._of_one_model(attempt, deadline_s)
        self._prompt_tokens.inc(completion.prompt_tokens)
        self._completion_tokens.inc(completion.completion_tokens)
        return completion

    async def next_token_logprobs(
        self, prompt: str, candidates: Sequence[str], *, deadline_s: float
    ) -> list[float | None]:
        call = self._dialect.next_token_logprobs(prompt, self._top_logprobs)
        likely = await self._run(call, deadline_s)
        return [matching_logprob(candidate, likely) for candidate in candidates]

    async def score(
        self, prompt: str, continuations: Sequence[str], *, deadline_s: float
    ) -> list[ContinuationScore]:
        call = self._dialect.score_all(prompt, continuations) if self._scores_at_once else None
        if call is not None:
            try:
                return await self._run(call, deadline_s)
            except RouteMissing:
                self._scores_at_once = False
        ids_call = self._dialect.token_ids(prompt)
        ids: list[int] | None = None
        if ids_call is not None:
            ids = await self._run(ids_call, deadline_s)
        return await asyncio.gather(
            *(
                self._run(self._dialect.score(prompt, continuation, ids), deadline_s)
                for continuation in continuations
            )
        )

    async def count_tokens(self, text: str) -> int | None:
        call = self._dialect.count_tokens(text)
        if call is None:
            return None
        return await self._ask(call)

    async def info(self) -> EngineInfo:
        info = await self._ask(self._dialect.info())
        if self._outages == self._caller.outages:
            self._model = (info.model_id, info.model_sha)
        if info.max_concurrent_requests:
            self._caller.admission.set_cap(info.max_concurrent_requests)
        if self._adapter_check is not None:
            await self._adapter_check.run(self._send_admitted)
            self._adapter_check = None
        return info

    async def _look_after_outage(self) -> None:
        """Asks an engine that has come back what it serves, before an answer of it is used."""
        if self._outages == self._caller.outages:
            return
        async with self._asking:
            outages = self._caller.outages
            if self._outages == outages:
                return
            info = await self.info()
            before, self._model = self._model, (info.model_id, info.model_sha)
            self._outages = outages
            if before is not None and before != self._model:
                self._exchanges += 1
                first, second = (" ".join(one).strip() for one in (before, self._model))
                self._exchanged = f"the engine served {first}, went away, and now serves {second}"

    async def close(self) -> None:
        await self._transport.close()

    async def _run(self, call: ApiCall[Value], deadline_s: float) -> Value:
        return await self._of_one_model(lambda: self._send(call), deadline_s)

    async def _of_one_model(
        self, attempt: Callable[[], Awaitable[Value]], deadline_s: float
    ) -> Value:
        """What the model answers that was served when the call began.

        Raises:
            EngineExchanged: another one was served after an outage in between.
            EngineError: as RetryingCaller.run.
        """
        began = self._exchanges
        answer = await self._caller.run(attempt, deadline_s)
        await self._look_after_outage()
        if began != self._exchanges:
            raise EngineExchanged(
                f"{self._exchanged}: rows of two models would be mixed; serve the first again, or "
                "begin a new run"
            )
        return answer

    async def _ask(self, call: ApiCall[Value]) -> Value:
        return await self._caller.run_unqueued(lambda: self._send(call), QUESTION_TIMEOUT_S)

    async def _send_admitted(self, call: ApiCall[Generated], deadline_s: float) -> Generated:
        return await self._run(call, deadline_s)

    async def _send(self, call: ApiCall[Value]) -> Value:
        """One attempt; its failure as one of our errors."""
        response = await self._transport.send(call.request)
        if response.status != 200:
            raise status_error(response)
        return call.read(response)


def _check_length(generated: Generated, params: SamplingParams) -> None:
    """Raises EngineError for a text that so few tokens cannot have: a row would not hold it."""
    longest = params.max_new_tokens * MAX_TOKEN_CHARS
    if len(generated.text) > longest:
        raise EngineError(
            f"the engine answered {len(generated.text):,} characters to a request of at most "
            f"{params.max_new_tokens} tokens"
        )


def _completion(generated: Generated, params: SamplingParams, latency_ms: float) -> Completion:
    text, cut = cut_at_stop(generated.text, params.stop)
    return Completion(
        text=text,
        finish_reason=finish_reason(
            generated.finish_reason,
            cut=cut,
            tokens=generated.completion_tokens,
            max_new_tokens=params.max_new_tokens,
        ),
        prompt_tokens=generated.prompt_tokens,
        completion_tokens=generated.completion_tokens,
        latency_ms=latency_ms,
    )
