"""One row for one prompt: tries with new seeds until a try is accepted."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from selfalign.errors import DataError, EngineError, EngineLost, PromptTooLong
from selfalign.filters.rejection import Rejection
from selfalign.storage.rows import PromptItem, Row, RowStatus, derive_seed


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try: what the engine wrote, its parts, and the filters' verdict."""

    completion: str
    answer: str
    complete: bool
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    latency_ms: float
    thoughts: str = ""
    rules: tuple[int, ...] = ()
    rejection: Rejection | None = None
    """None if the try is accepted."""
    score: float = 0.0
    """Likelihood ratio of the answer; 0 where it was not scored."""
    notes: tuple[str, ...] = ()
    """Remarks for `evidence` that reject nothing."""


async def attempt_row(
    item: PromptItem, retries: int, attempt: Callable[[int], Awaitable[Attempt]]
) -> Row:
    """Calls `attempt(seed)` until it is accepted, at most 1 + `retries` times.

    Tokens and latency are summed over all tries; texts and seed are those of the last. An error of
    the engine, or a prompt that it cannot take, gives a failed row.

    Raises:
        EngineLost: no row is to blame.
    """
    if not item.instruction.strip():
        return _failed(item, item.seed, DataError("instruction: is empty; expected a text"))
    tries: list[Attempt] = []
    seed = item.seed
    for number in range(1 + retries):
        seed = item.seed if number == 0 else derive_seed(item.seed, "retry", number)
        try:
            tries.append(await attempt(seed))
        except EngineLost:
            raise
        except (EngineError, PromptTooLong) as error:
            return _failed(item, seed, error)
        if tries[-1].rejection is None:
            break
    return _row(item, seed, tries)


def _failed(item: PromptItem, seed: int, error: Exception) -> Row:
    row = Row.of(item, RowStatus.FAILED)
    return replace(row, reason=type(error).__name__, evidence=str(error), seed=seed)


def _row(item: PromptItem, seed: int, tries: list[Attempt]) -> Row:
    last = tries[-1]
    return replace(
        Row.of(item, RowStatus.REJECTED if last.rejection else RowStatus.ACCEPTED),
        reason=last.rejection.reason if last.rejection else "",
        evidence=_evidence(tries),
        completion=last.completion,
        thoughts=last.thoughts,
        rules=last.rules,
        answer=last.answer,
        complete=last.complete,
        seed=seed,
        finish_reason=last.finish_reason,
        prompt_tokens=sum(one.prompt_tokens for one in tries),
        completion_tokens=sum(one.completion_tokens for one in tries),
        latency_ms=sum(one.latency_ms for one in tries),
        score=last.score,
    )


def _evidence(tries: list[Attempt]) -> str:
    """The last try's rejection and notes; with several tries, every try's rejection."""
    last = tries[-1]
    parts = [last.rejection.evidence] if last.rejection else []
    if len(tries) > 1:
        parts = [
            f"try {number}: {one.rejection.reason}: {one.rejection.evidence}"
            for number, one in enumerate(tries, start=1)
            if one.rejection
        ]
    return "; ".join((*parts, *last.notes))
