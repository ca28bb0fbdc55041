"""Whether an engine has the LoRA adapter that requests name.

TGI answers an unknown adapter_id with the base model and says nothing, so that only the texts tell.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Self

from selfalign.errors import EngineRejected, ModelError
from selfalign.inference.dialects.dialect import ApiCall, Dialect, Generated, Target
from selfalign.settings.sampling import SamplingParams

# Greedy texts of an adapter that is loaded differ from the base model's on one of these.
CANARIES = ("The", "Question: How are you?\nAnswer:", "1. First,", "User: Hello.\nAssistant:")
CANARY_TOKENS = 32
CANARY_DEADLINE_S = 300.0

Send = Callable[[ApiCall[Generated], float], Awaitable[Generated]]
"""Makes a call within a deadline in seconds; raises EngineErrors."""


@dataclass(frozen=True, slots=True)
class AdapterCheck:
    """Canary prompts, asked with and without the adapter."""

    adapter_id: str
    url: str
    """For the error."""
    adapted: Dialect
    base: Dialect

    @classmethod
    def of(cls, dialect: type[Dialect], target: Target) -> Self | None:
        """None where no adapter is asked for."""
        if target.adapter_id is None:
            return None
        without = replace(target, adapter_id=None)
        return cls(target.adapter_id, target.url, dialect(target), dialect(without))

    async def run(self, send: Send) -> None:
        """Asks all canaries at once.

        Raises:
            ModelError: the adapter's greedy texts are those of the base model, or the engine
                refuses to be asked for it.
            EngineError: the engine does not answer.
        """
        try:
            adapted, base = await asyncio.gather(
                self._texts(self.adapted, send), self._texts(self.base, send)
            )
        except EngineRejected as error:
            raise ModelError(f"adapter_id: {self.adapter_id!r}: {error}") from error
        if adapted == base:
            raise ModelError(
                f"adapter_id: {self.adapter_id!r} answers exactly as the base model at "
                f"{self.url}, so it is not loaded there; start TGI with LORA_ADAPTERS naming it"
            )

    async def _texts(self, dialect: Dialect, send: Send) -> list[str]:
        params = SamplingParams(max_new_tokens=CANARY_TOKENS)
        calls = (dialect.generate(prompt, params, None) for prompt in CANARIES)
        answers = await asyncio.gather(*(send(call, CANARY_DEADLINE_S) for call in calls))
        return [answer.text for answer in answers]
