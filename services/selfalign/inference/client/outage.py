"""Whether an engine that cannot be reached is away, as all its calls together know."""

import logging
import time

from selfalign.errors import EngineOutage, EngineUnavailable

logger = logging.getLogger(__name__)


class Outage:
    """The absence of one engine: begins with a failure to reach it, ends with the next answer.

    Who cannot reach an engine that has never answered has a wrong address, and a call that fails
    while others are answered has a fault of its own: both are no outage.
    """

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._answered: float | None = None
        """When the last answer came; None before the first one."""
        self._since: float | None = None
        """When the outage began; None where there is none."""
        self.ended = 0
        """Outages that are over."""

    def answered(self) -> None:
        """The engine has answered."""
        self._answered = time.monotonic()
        if self._since is not None:
            logger.info("the engine answers again after %.0f s", self._answered - self._since)
            self._since = None
            self.ended += 1

    def waits(self, error: EngineUnavailable, failed_before: float | None) -> bool:
        """Whether a call that could not reach the engine waits for it, whatever its own retries.

        Args:
            failed_before: When (time.monotonic) the same call last failed to reach it.

        Raises:
            EngineOutage: the engine has been away for longer than it is waited for.
        """
        if self._answered is None or not self._patience_s:
            return False
        if failed_before is not None and self._answered > failed_before:
            return False
        now = time.monotonic()
        if self._since is None:
            self._since = now
            logger.warning("waiting up to %g s for the engine: %s", self._patience_s, error)
        if now - self._since > self._patience_s:
            raise EngineOutage(
                f"{error} (no answer to any call for {now - self._since:.0f} s, longer than "
                f"engine.outage_patience_s, {self._patience_s:g}; run again once the engine is "
                "back: finished rows are kept)"
            ) from error
        return True
