"""How many requests an engine gets at once: additive increase, multiplicative decrease."""

import asyncio
import time
from collections import deque

from selfalign.telemetry.metrics import Metrics

DECREASE = 0.7
# One overload shows in many answers at once, and must count once.
COOL_DOWN_S = 1.0


class Admission:
    """Slots of one engine, given out first come, first served.

    The limit starts at its cap, falls to 70 % when the engine is overloaded and grows by one for
    every limit's worth of answers while it is in full use. Waiting for a slot has no time limit.
    """

    def __init__(self, cap: int, metrics: Metrics) -> None:
        self._cap = float(cap)
        self._limit = float(cap)
        self._inflight = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._decreased = -COOL_DOWN_S
        metrics.engine_inflight.set_function(lambda: self._inflight)
        metrics.engine_pending.set_function(lambda: len(self._waiting))
        metrics.engine_limit.set_function(lambda: self.limit)

    @property
    def limit(self) -> int:
        """Requests allowed at once now."""
        return int(self._limit)

    @property
    def inflight(self) -> int:
        """Slots taken."""
        return self._inflight

    def set_cap(self, cap: int) -> None:
        """Lowers the cap to what the engine says it takes."""
        self._cap = min(self._cap, float(cap))
        self._limit = min(self._limit, self._cap)

    async def acquire(self) -> None:
        """Takes a slot, waiting for one if need be."""
        if self._inflight < self.limit and not self._waiting:
            self._inflight += 1
            return
        slot: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(slot)
        try:
            await slot
        except asyncio.CancelledError:
            if slot.done() and not slot.cancelled():
                self.release()
            else:
                self._waiting.remove(slot)
            raise

    def release(self) -> None:
        """Gives a slot back."""
        self._inflight -= 1
        self._wake()

    def succeeded(self) -> None:
        """An answer came in good time; call before `release`."""
        if self._inflight >= self.limit and self._limit < self._cap:
            self._limit = min(self._cap, self._limit + 1.0 / self._limit)

    def overloaded(self) -> None:
        """The engine was full or too slow; call before `release`."""
        now = time.monotonic()
        if now - self._decreased >= COOL_DOWN_S:
            self._decreased = now
            self._limit = max(1.0, min(self._limit, float(self._inflight)) * DECREASE)

    def _wake(self) -> None:
        while self._waiting and self._inflight < self.limit:
            slot = self._waiting.popleft()
            if not slot.done():
                self._inflight += 1
                slot.set_result(None)
