"""How much likelier an answer is after its question than after none: does it belong to it?"""

import asyncio

from selfalign.inference.contract.engine import Engine


async def likelihood_ratio(
    engine: Engine, asked: str, blank: str, answer: str, deadline_s: float
) -> float:
    """Mean log p of the answer's tokens after `asked`, less the same after `blank`.

    Args:
        asked: The whole prompt with the question.
        blank: The same prompt with an empty question.
        deadline_s: For each of the two calls of the engine.

    Returns:
        In nats per token; above 0 where the question makes the answer likelier.

    Raises:
        LogprobsUnsupported: the engine gives no log-probabilities of a prompt's tokens.
        EngineError: as Engine.score.
    """
    (after_question,), (after_nothing,) = await asyncio.gather(
        engine.score(asked, (answer,), deadline_s=deadline_s),
        engine.score(blank, (answer,), deadline_s=deadline_s),
    )
    return after_question.mean - after_nothing.mean
