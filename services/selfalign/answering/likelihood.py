"""How much likelier answers are after their question than after none: do they belong to it?"""

import asyncio
from collections.abc import Sequence

from selfalign.inference.contract.engine import Engine


async def likelihood_ratios(
    engine: Engine, asked: str, blank: str, answers: Sequence[str], deadline_s: float
) -> list[float]:
    """For each answer: mean log p of its tokens after `asked`, less the same after `blank`.

    Args:
        asked: The whole prompt with the question.
        blank: The same prompt with an empty question.
        answers: Of one question, so that engines read it once for all.
        deadline_s: For each of the two calls of the engine.

    Returns:
        In nats per token; above 0 where the question makes the answer likelier.

    Raises:
        LogprobsUnsupported: the engine gives no log-probabilities of a prompt's tokens.
        EngineError: as Engine.score.
    """
    after_question, after_nothing = await asyncio.gather(
        engine.score(asked, answers, deadline_s=deadline_s),
        engine.score(blank, answers, deadline_s=deadline_s),
    )
    return [one.mean - other.mean for one, other in zip(after_question, after_nothing, strict=True)]
