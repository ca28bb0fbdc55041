"""The standard health service: `liveness`, one name for each service, and "" for all."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

from grpc_health.v1 import health, health_pb2

from selfalign.errors import SelfAlignError

logger = logging.getLogger(__name__)

LIVENESS = "liveness"
Check = Callable[[], Awaitable[None]]


class Health:
    """Health of the process and of its services.

    `liveness` serves as long as the process does: an engine that is down must not restart us.
    A service's own name follows its check, which raises a SelfAlignError when it is not ready.
    """

    def __init__(self, checks: Mapping[str, Check | None], interval_s: float) -> None:
        # The stubs leave out the aio variant.
        self.servicer = health.aio.HealthServicer()  # type: ignore[attr-defined]
        self._checks = dict(checks)
        self._interval_s = interval_s
        self._down: dict[str, str] = {}
        self._draining = False

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Checks once, then every interval in the background."""
        await self._set(LIVENESS, True)
        await self._check_all()
        task = asyncio.create_task(self._watch())
        task.add_done_callback(_log_failure)
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def drain(self) -> None:
        """Everything but liveness stops serving, for good."""
        self._draining = True
        for name in (*self._checks, ""):
            await self._set(name, False)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._interval_s)
            await self._check_all()

    async def _check_all(self) -> None:
        for name, check in list(self._checks.items()):
            problem = await self._problem(check)
            if self._draining:
                return
            if problem != self._down.get(name, ""):
                logger.warning("%s is %s", name, f"not ready: {problem}" if problem else "ready")
            self._down[name] = problem
            await self._set(name, not problem)
        if not self._draining:
            await self._set("", not any(self._down.values()))

    async def _problem(self, check: Check | None) -> str:
        if check is None:
            return ""
        try:
            async with asyncio.timeout(max(self._interval_s, 1.0)):
                await check()
        except TimeoutError:
            return "its check did not end in time"
        except SelfAlignError as error:
            return f"{type(error).__name__}: {error}"
        return ""

    async def _set(self, name: str, serving: bool) -> None:
        status = health_pb2.HealthCheckResponse
        await self.servicer.set(name, status.SERVING if serving else status.NOT_SERVING)


def _log_failure(task: "asyncio.Task[None]") -> None:
    """A check that raises what it should not must not end the checks in silence."""
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("health is no longer checked", exc_info=error)
