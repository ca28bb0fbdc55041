"""Best of n: the likeliest of those that pass, the same one every time."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from selfalign.answering.attempts import Attempt
from selfalign.answering.selection import BestOf, Question, candidate_seeds, copied
from selfalign.answering.selection_settings import SelectionSettings
from selfalign.filters.rejection import Rejection
from selfalign.inference.contract.engine import ContinuationScore
from support.scripted_engine import ScriptedEngine

QUESTION = Question("How do tides work?", "asked", "blank")
ANSWERS = ("The weather is fine.", "The moon pulls at the sea.", "Bad.", "Tides come twice a day.")
RATIOS = {ANSWERS[0]: -0.5, ANSWERS[1]: 2.0, ANSWERS[2]: 9.0, ANSWERS[3]: 1.0}


@dataclass
class Scoring(ScriptedEngine):
    """After the question an answer is likelier by its ratio than after nothing."""

    scored: list[str] = field(default_factory=list)

    async def score(
        self, prompt: str, continuations: Sequence[str], *, deadline_s: float
    ) -> list[ContinuationScore]:
        self.scored += continuations
        more = {"asked": 1.0, "blank": 0.0}[prompt]
        return [ContinuationScore(4 * (more * RATIOS[one] - 3.0), 4) for one in continuations]


def engine(scores: bool = True) -> ScriptedEngine:
    return (Scoring if scores else ScriptedEngine)(lambda prompt, params, seed: "")


def best_of(made: ScriptedEngine, **settings: object) -> BestOf:
    return BestOf(made, SelectionSettings.model_validate({"candidates": 4, **settings}), 5.0)


async def one(seed: int) -> Attempt:
    answer = ANSWERS[candidate_seeds(7, 4).index(seed)]
    return Attempt(
        completion=answer,
        answer=answer,
        complete=True,
        finish_reason="eos_token",
        prompt_tokens=10,
        completion_tokens=3,
        latency_ms=1.0,
        rejection=Rejection("too_short", answer) if answer == "Bad." else None,
    )


async def test_the_likeliest_of_those_that_pass_is_taken_and_all_tokens_count() -> None:
    made = engine()
    chosen = await best_of(made).choose(QUESTION, one, 7)
    assert (chosen.answer, chosen.score) == (ANSWERS[1], 2.0)
    assert (chosen.prompt_tokens, chosen.completion_tokens) == (40, 12)
    assert "3 of 4 candidates passed" in chosen.notes
    assert isinstance(made, Scoring)
    assert "Bad." not in made.scored


async def test_without_log_probabilities_the_first_is_taken_and_said_so() -> None:
    chosen = await best_of(engine(scores=False)).choose(QUESTION, one, 7)
    assert (chosen.answer, chosen.score) == (ANSWERS[0], 0.0)
    assert any("no log-probabilities" in note for note in chosen.notes)


async def test_one_candidate_is_as_published_and_not_scored() -> None:
    made = engine()
    chosen = await best_of(made, candidates=1).choose(QUESTION, one, 7)
    assert (chosen.answer, chosen.notes, chosen.prompt_tokens) == (ANSWERS[0], (), 10)
    assert isinstance(made, Scoring)
    assert made.scored == []


async def test_an_answer_below_the_threshold_is_off_task() -> None:
    chosen = await best_of(engine(), min_ratio=2.5).choose(QUESTION, one, 7)
    assert chosen.rejection is not None
    assert chosen.rejection.reason == "off_task"
    assert "2.000" in chosen.rejection.evidence


def test_the_first_candidate_has_the_rows_own_seed() -> None:
    assert candidate_seeds(7, 1) == [7]
    assert candidate_seeds(7, 4) == candidate_seeds(7, 5)[:4]
    assert len(set(candidate_seeds(7, 16))) == 16


@pytest.mark.parametrize(
    ("answer", "share", "rejected"),
    [
        ("Tell me how the moon moves the sea, tell me how.", 0.5, True),
        ("The sea follows the moon because water is drawn to it.", 0.5, False),
        ("Tell me how the moon moves the sea, tell me how.", 1.0, False),
    ],
)
def test_copies_of_the_prompt(answer: str, share: float, rejected: bool) -> None:
    found = copied(answer, "Tell me how the moon moves the sea", share)
    assert (found is not None) is rejected
