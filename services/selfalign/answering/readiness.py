"""Readiness of a service over an engine: its prompts' lengths are checked once the engine is up."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from selfalign.errors import EngineOverloaded, EngineTimeout, EngineUnavailable
from selfalign.inference.contract.engine import Engine, EngineInfo


@dataclass(slots=True)
class Readiness:
    """A service is ready while its engine answers and its longest prompts fit the engine."""

    engine: Engine
    check_prompts: Callable[[EngineInfo], Awaitable[None]]
    """Raises a SelfAlignError if the longest prompts do not fit; asked until they did once."""
    set_model_id: Callable[[str], None]
    """Called with the engine's model once they do."""
    _checked: bool = field(default=False, init=False)

    async def check(self) -> None:
        """Raises a SelfAlignError while the service cannot work."""
        info = await self.engine.info()
        if not self._checked:
            await self.check_prompts(info)
            self._checked = True
        # A service outlives an engine's model: the next run may have another one.
        self.set_model_id(info.model_id)

    async def check_at_start(self) -> None:
        """The same, but an engine that is only down for now does not stop the service.

        Raises:
            ConfigError, PromptTooLong: the prompts do not fit; says what to shorten.
            EngineUnauthorized: the token is wrong.
        """
        try:
            await self.check()
        except (EngineUnavailable, EngineOverloaded, EngineTimeout):
            return
