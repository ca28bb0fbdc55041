"""Readiness of a service over an engine: its lengths are checked once, when the engine is up."""

from dataclasses import dataclass, field

from selfalign.errors import EngineOverloaded, EngineTimeout, EngineUnavailable
from selfalign.inference.engine import Engine
from selfalign.inference.lengths import check_lengths
from selfalign.settings.sampling import SamplingParams


@dataclass
class Readiness:
    """Checks that prefix + longest query + max_new_tokens fit, and learns the model's id."""

    engine: Engine
    prefix: str
    query_tokens: int
    params: SamplingParams
    model_id: str = field(default="", init=False)
    """Empty until the engine answered for the first time."""

    async def check(self) -> None:
        """Raises a SelfAlignError while the service cannot work."""
        info = await self.engine.info()
        if not self.model_id:
            await check_lengths(self.engine, self.prefix, self.query_tokens, self.params)
            self.model_id = info.model_id

    async def at_start(self) -> None:
        """The same, but an engine that is only down for now does not stop the service.

        Raises:
            PromptTooLong: the prompts do not fit; says what to shorten.
            EngineUnauthorized: the token is wrong.
        """
        try:
            await self.check()
        except (EngineUnavailable, EngineOverloaded, EngineTimeout):
            return
