"""Calls to an engine: admitted, timed, retried with backoff and full jitter, counted."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from selfalign.errors import (
    EngineError,
    EngineOutage,
    EngineOverloaded,
    EngineRejected,
    EngineTimeout,
    EngineUnauthorized,
    EngineUnavailable,
    LogprobsUnsupported,
    RouteMissing,
)
from selfalign.inference.client.admission import Admission
from selfalign.inference.client.outage import Outage
from selfalign.telemetry.metrics import Metrics

Result = TypeVar("Result")

OUTCOMES: dict[type[EngineError], str] = {
    EngineOverloaded: "overloaded",
    EngineRejected: "rejected",
    RouteMissing: "rejected",
    LogprobsUnsupported: "rejected",
    EngineTimeout: "timeout",
    EngineUnauthorized: "unauthorized",
    EngineUnavailable: "unavailable",
    EngineOutage: "unavailable",
    EngineError: "error",
}
# A retry makes these no better.
FINAL = (EngineRejected, EngineUnauthorized, LogprobsUnsupported)
# Answers that take more than this share of the deadline: the engine's queue is too long.
SLOW_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how long; see EngineSettings."""

    attempts: int
    base_s: float
    max_s: float
    attempt_timeout_s: float
    outage_patience_s: float = 0.0

    def backoff(self, retry: int) -> float:
        """Seconds before the `retry`-th retry (from 1): full jitter under a doubling bound."""
        bound = min(self.max_s, self.base_s * 2.0 ** min(retry, 30))
        return random.uniform(0.0, bound)


class RetryingCaller:
    """Makes the calls to one engine: admitted, timed, retried and counted."""

    def __init__(self, admission: Admission, policy: RetryPolicy, metrics: Metrics) -> None:
        self.admission = admission
        self._policy = policy
        self._outage = Outage(policy.outage_patience_s)
        self._latency = metrics.engine_latency_seconds
        requests = metrics.engine_requests
        self._ok = requests.labels("ok")
        self._cancelled = requests.labels("cancelled")
        self._failed = {kind: requests.labels(outcome) for kind, outcome in OUTCOMES.items()}

    @property
    def outages(self) -> int:
        """How often the engine has come back after it had been away."""
        return self._outage.ended

    async def run(self, attempt: Callable[[], Awaitable[Result]], deadline_s: float) -> Result:
        """The first good result of `attempt`, which raises EngineErrors.

        The deadline counts from the moment a slot is there: time in the queue for it is the
        price of a busy engine, not a fault of the request. So is the time of an outage. Being
        turned away (429) is retried until the deadline, other failures at most `attempts` times.

        Raises:
            EngineOutage: see Outage.
        """
        budget, tries, failures = deadline_s, 0, 0
        last: EngineError | None = None
        unreached: float | None = None
        while True:
            await self.admission.acquire()
            started = time.monotonic()
            try:
                return await self._once(attempt, budget, deadline_s)
            except FINAL:
                raise
            except EngineError as error:
                tries += 1
                if isinstance(error, EngineUnavailable):
                    waits = self._outage.waits(error, unreached)
                    unreached = time.monotonic()
                    if waits:
                        await asyncio.sleep(self._policy.backoff(tries))
                        continue
                failures += not isinstance(error, EngineOverloaded)
                pause = self._policy.backoff(tries)
                budget -= time.monotonic() - started + pause
                if last is None or not isinstance(error, EngineTimeout):
                    # What used the time up says more than the attempt that it was too short for.
                    last = error
                if failures > self._policy.attempts or budget <= 0:
                    raise _final(last, tries, deadline_s) from error
            await asyncio.sleep(pause)

    async def run_unqueued(
        self, attempt: Callable[[], Awaitable[Result]], limit_s: float
    ) -> Result:
        """One attempt past the queue, for questions that cost the engine nothing.

        A health check must not wait behind a thousand rows.
        """
        try:
            async with asyncio.timeout(limit_s):
                result = await attempt()
        except TimeoutError as error:
            raise EngineTimeout(f"the engine did not answer within {limit_s:g} s") from error
        self._outage.answered()
        return result

    async def _once(
        self, attempt: Callable[[], Awaitable[Result]], budget: float, deadline_s: float
    ) -> Result:
        """One attempt in a slot that was taken, which is given back."""
        limit_s = min(budget, self._policy.attempt_timeout_s)
        started = time.perf_counter()
        try:
            async with asyncio.timeout(limit_s):
                result = await attempt()
            seconds = time.perf_counter() - started
            self._outage.answered()
            self._ok.inc()
            self._latency.observe(seconds)
            if seconds > SLOW_SHARE * deadline_s:
                self.admission.overloaded()
            else:
                self.admission.succeeded()
            return result
        except TimeoutError as error:
            self.admission.overloaded()
            self._failed[EngineTimeout].inc()
            raise EngineTimeout(f"the engine did not answer within {limit_s:.3g} s") from error
        except asyncio.CancelledError:
            self._cancelled.inc()
            raise
        except EngineError as error:
            if isinstance(error, EngineOverloaded):
                self.admission.overloaded()
            self._failed[type(error)].inc()
            raise
        finally:
            self.admission.release()


def _final(error: EngineError, tries: int, deadline_s: float) -> EngineError:
    """The last error, with what was done about it."""
    return type(error)(f"{error} (after {tries} tries within {deadline_s:g} s)")
