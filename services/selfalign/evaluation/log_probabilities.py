"""Next-token log-probabilities with a floor, so that every candidate has a finite score."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from selfalign.errors import EngineError
from selfalign.evaluation.evaluate_settings import EvaluationSettings
from selfalign.inference.contract.engine import Engine


@dataclass(frozen=True, slots=True)
class LogProbs:
    """One value for each candidate, none below the floor."""

    values: tuple[float, ...]
    missing: int
    """Candidates that the engine did not report: they got the floor."""


async def ask_logprobs(
    engine: Engine, prompt: str, candidates: Sequence[str], settings: EvaluationSettings
) -> LogProbs:
    """Log-probabilities of the candidates after `prompt`.

    Raises:
        EngineError: as Engine.next_token_logprobs; or it answered for another number of
            candidates.
    """
    found = await engine.next_token_logprobs(prompt, candidates, deadline_s=settings.deadline_s)
    if len(found) != len(candidates):
        raise EngineError(
            f"engine: {len(found)} log-probabilities for {len(candidates)} candidates; "
            "expected one each"
        )
    return floored(found, settings.logprob_floor)


def floored(found: Sequence[float | None], floor: float) -> LogProbs:
    """Unreported values (None, or not a number) become the floor, lower ones are raised to it."""
    known = [None if value is None or math.isnan(value) else value for value in found]
    return LogProbs(
        values=tuple(floor if value is None else min(0.0, max(floor, value)) for value in known),
        missing=sum(value is None for value in known),
    )
