"""Whether answers are on task, by rank: likelier after their own question than after others?

The others are near neighbours (the same opening, or many of the same words): after questions about
something else nearly every answer is the least likely, and nothing is measured. An answer's own
fluency drops out, since the same answer is scored after every question.

The judge is the run's base model, for the answers of all arms. It is the judge of its own text too,
which was likely to it after its own question when it wrote it. Two things keep that small: the
judge reads question and answer in a plain layout in which no arm was asked, and only the order of
the questions counts, not how likely the answer is. What is left favours the base model's arms, so
that a better model is found on task too seldom rather than too often.

With k neighbours a random answer is on task with probability 1 / (k + 1).
"""

import math
import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from selfalign.constitution.render import join_input
from selfalign.errors import LogprobsUnsupported
from selfalign.evaluation.concurrency import ItemFailure, catch_item_failure, map_bounded
from selfalign.evaluation.evaluation_inputs import EvaluationInputs
from selfalign.evaluation.results import HeldOutAnswer, OnTaskResults, TopicRank
from selfalign.inference.contract.engine import ContinuationScore, Engine
from selfalign.storage.rows import content_hash

MAX_POOL = 3000
"""Prompts of stage 2 that may be neighbours besides the held-out ones, drawn by hash."""
MAX_QUESTION_CHARS = 1200
_WORD = re.compile(r"\w+")
_OPENING_WORDS = 3
Features = frozenset[str]


async def rank_answers(
    engine: Engine,
    inputs: EvaluationInputs,
    answers: Sequence[HeldOutAnswer],
    tick: Callable[[int, int], None],
) -> OnTaskResults:
    """Scores every answer after its own question and after its neighbours.

    All answers that one question needs are asked for at once, so that the engine reads the question
    once. Empty answers are ranked without scoring; answers of failed requests have no rank.

    Args:
        engine: The judge, for all arms.

    Raises:
        EngineUnavailable, EngineUnauthorized: the engine cannot be used.
    """
    started = time.monotonic()
    settings = inputs.settings
    near = neighbours(inputs)
    written = [answer for answer in answers if not answer.reason and near.get(answer.prompt_id)]
    texts = {(one.arm, one.prompt_id): _scored(one, settings.on_task_chars) for one in written}
    wanted: dict[str, list[str]] = defaultdict(list)
    for (_, prompt_id), text in texts.items():
        for question in (inputs.question(prompt_id), *near[prompt_id]) if text else ():
            wanted[question].append(text)
    judge = (await engine.info()).model_id
    if not wanted:
        return OnTaskResults(judge=judge, seconds=0.0, neighbours=0, missing="nothing to compare")
    try:
        scores = await _score(engine, inputs, wanted, tick)
    except LogprobsUnsupported as error:
        return OnTaskResults(judge=judge, seconds=0.0, neighbours=0, missing=str(error))
    ranks = [_rank(one, texts[one.arm, one.prompt_id], inputs, near, scores) for one in written]
    return OnTaskResults(
        judge=judge,
        seconds=round(time.monotonic() - started, 2),
        neighbours=max(map(len, near.values())),
        ranks=tuple(rank for rank in ranks if rank is not None),
    )


async def _score(
    engine: Engine,
    inputs: EvaluationInputs,
    wanted: Mapping[str, Sequence[str]],
    tick: Callable[[int, int], None],
) -> dict[tuple[str, str], float]:
    """(question, answer) -> mean log-probability; pairs whose request failed are left out."""

    async def ask(question: str) -> list[ContinuationScore] | ItemFailure:
        continuations = [f" {text}" for text in dict.fromkeys(wanted[question])]
        deadline = inputs.settings.deadline_s
        call = engine.score(judge_prompt(question), continuations, deadline_s=deadline)
        return await catch_item_failure(call)

    found = await map_bounded(ask, list(wanted), inputs.settings.max_in_flight, tick)
    return {
        (question, text): score.mean
        for question, scores in zip(wanted, found, strict=True)
        if not isinstance(scores, ItemFailure)
        for text, score in zip(dict.fromkeys(wanted[question]), scores, strict=True)
    }


def judge_prompt(question: str) -> str:
    """The question as the judge reads it, in a layout in which no arm is asked."""
    return f"Question: {question[:MAX_QUESTION_CHARS]}\n\nAnswer:"


def _scored(answer: HeldOutAnswer, chars: int) -> str:
    return answer.answer[:chars].strip()


def _rank(
    answer: HeldOutAnswer,
    text: str,
    inputs: EvaluationInputs,
    near: Mapping[str, Sequence[str]],
    scores: Mapping[tuple[str, str], float],
) -> TopicRank | None:
    if not text:
        return TopicRank(arm=answer.arm, prompt_id=answer.prompt_id)
    questions = (inputs.question(answer.prompt_id), *near[answer.prompt_id])
    if any((question, text) not in scores for question in questions):
        return None
    own, *others = (scores[question, text] for question in questions)
    return TopicRank(arm=answer.arm, prompt_id=answer.prompt_id, own=own, others=tuple(others))


def neighbours(inputs: EvaluationInputs) -> dict[str, tuple[str, ...]]:
    """For each held-out prompt the questions nearest to it, the nearest first.

    From the held-out prompts and a sample of stage 2's. Similarity: the share of what two questions
    have in common (words, and their first words as a whole), where rare things weigh more; equally
    near ones in the order of their text. A function of the prompts alone.
    """
    count = inputs.settings.neighbours
    own = {item.prompt_id: inputs.question(item.prompt_id) for item in inputs.held_out}
    rows = sorted(inputs.aligned, key=lambda row: content_hash("neighbour", row.prompt_id))
    more = (join_input(row.instruction, row.input) for row in rows[:MAX_POOL])
    pool = {text: features(text) for text in dict.fromkeys((*own.values(), *more))}
    seen = Counter(feature for found in pool.values() for feature in found)
    weights = {name: math.log(1 + len(pool) / times) for name, times in seen.items()}

    def nearest(text: str) -> tuple[str, ...]:
        others = (other for other in pool if other != text)
        key = {other: -similarity(pool[text], pool[other], weights) for other in others}
        return tuple(sorted(key, key=lambda other: (key[other], other))[:count])

    return {prompt_id: nearest(text) for prompt_id, text in own.items()} if count else {}


def features(text: str) -> Features:
    """The text's words, and its opening: its first three words, two, and one, each as a whole."""
    said = _WORD.findall(text.casefold())
    openings = {
        f"^{' '.join(said[:length])}" for length in range(1, _OPENING_WORDS + 1) if said[:length]
    }
    return frozenset(said) | openings


def similarity(one: Features, other: Features, weights: Mapping[str, float]) -> float:
    """Weighted share of common features among all features of both; 0 to 1."""
    whole = _weight(one | other, weights)
    return _weight(one & other, weights) / whole if whole else 0.0


def _weight(found: Iterable[str], weights: Mapping[str, float]) -> float:
    # Exact, so that the order of a set does not count.
    return math.fsum(weights[name] for name in found)
