"""On task by rank: near neighbours, what is scored, ties, failures, and an engine that cannot."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfalign.errors import EngineRejected, EngineUnavailable
from selfalign.evaluation.evaluation_inputs import EvaluationInputs
from selfalign.evaluation.on_task import (
    features,
    judge_prompt,
    neighbours,
    rank_answers,
    similarity,
)
from selfalign.evaluation.results import HeldOutAnswer
from selfalign.inference.contract.engine import ContinuationScore
from selfalign.storage.rows import PromptItem, prompt_id
from support import made_up_run
from support.scripted_engine import ScriptedEngine

BASIL = "How do I keep basil alive?"
MINT = "How do I keep mint alive?"
HERBS = "How do I dry herbs?"
TAXES = "List three taxes of the middle ages."


def over(*questions: str, **settings: Any) -> EvaluationInputs:
    return replace(
        made_up_run.inputs(**settings),
        held_out=tuple(PromptItem(prompt_id(text), text) for text in questions),
        aligned=(),
    )


def tick(done: int, total: int) -> None:
    pass


def answered(question: str, text: str, **fields: Any) -> HeldOutAnswer:
    return HeldOutAnswer(
        arm="final", prompt_id=prompt_id(question), instruction=question, answer=text
    ).model_copy(update=fields)


@dataclass
class Judge(ScriptedEngine):
    """Finds an answer the likelier the more of the question's words it has."""

    asked: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    error: Exception | None = None

    async def score(
        self, prompt: str, continuations: Sequence[str], *, deadline_s: float
    ) -> list[ContinuationScore]:
        self.asked.append((prompt, tuple(continuations)))
        if self.error and "mint" in prompt:
            raise self.error
        question = set(prompt.casefold().replace("?", "").replace("\n", " ").split())
        return [
            ContinuationScore(-10.0 + len(question & set(text.casefold().split())), 1)
            for text in continuations
        ]


def judge(error: Exception | None = None) -> Judge:
    return Judge(lambda prompt, params, seed: "", error=error)


def test_neighbours_share_opening_and_words() -> None:
    found = neighbours(over(BASIL, MINT, HERBS, TAXES, neighbours=2))
    assert found[prompt_id(BASIL)] == (MINT, HERBS)
    assert found[prompt_id(HERBS)][-1] in (BASIL, MINT)
    assert TAXES not in found[prompt_id(HERBS)]
    assert neighbours(over(BASIL, MINT, neighbours=0)) == {}
    # Few questions have few neighbours, and none is its own.
    assert neighbours(over(BASIL, MINT))[prompt_id(BASIL)] == (MINT,)
    assert neighbours(over(BASIL))[prompt_id(BASIL)] == ()


def test_prompts_of_stage_2_are_neighbours_too() -> None:
    inputs = replace(over(BASIL), aligned=made_up_run.inputs().aligned)
    assert len(neighbours(inputs)[prompt_id(BASIL)]) == inputs.settings.neighbours


@given(st.permutations([BASIL, MINT, HERBS, TAXES]))
def test_the_order_of_prompts_does_not_count(order: list[str]) -> None:
    assert neighbours(over(*order)) == neighbours(over(BASIL, MINT, HERBS, TAXES))


@given(st.text(max_size=60), st.text(max_size=60))
def test_similarity_is_symmetric_and_bounded(one: str, other: str) -> None:
    a, b = features(one), features(other)
    weights = dict.fromkeys(a | b, 1.0)
    assert similarity(a, b, weights) == similarity(b, a, weights)
    assert 0.0 <= similarity(a, b, weights) <= 1.0
    assert similarity(a, a, weights) == (1.0 if a else 0.0)


async def test_an_answer_to_another_question_is_not_on_task() -> None:
    inputs = over(BASIL, MINT, HERBS)
    engine = judge()
    answers = [
        answered(BASIL, "keep basil alive by water"),
        answered(MINT, "keep basil alive by water"),
        answered(HERBS, "keep going"),
        answered(HERBS, "", arm="base", empty=True),
        answered(HERBS, "text", arm="engraved", reason="EngineTimeout"),
    ]
    found = await rank_answers(engine, inputs, answers, tick)
    assert [(rank.arm, rank.on_task) for rank in found.ranks] == [
        ("final", True),
        ("final", False),
        ("final", False),
        ("base", False),
    ]
    assert (found.neighbours, found.judge, found.missing) == (2, "scripted", "")
    # Each question is read once, whoever's answers are scored after it.
    assert sorted(prompt for prompt, _ in engine.asked) == sorted(
        judge_prompt(text) for text in (BASIL, MINT, HERBS)
    )
    assert all(len(set(texts)) == len(texts) for _, texts in engine.asked)


async def test_equally_likely_is_not_on_task() -> None:
    found = await rank_answers(judge(), over(BASIL, MINT), [answered(BASIL, "water")], tick)
    assert [rank.on_task for rank in found.ranks] == [False]


async def test_only_the_head_of_an_answer_is_scored() -> None:
    engine = judge()
    long = answered(BASIL, "word " * 400)
    await rank_answers(engine, over(BASIL, MINT, on_task_chars=50), [long], tick)
    assert {len(text) for _, texts in engine.asked for text in texts} == {50}


async def test_a_failed_request_costs_the_answers_that_needed_it() -> None:
    answers = [answered(BASIL, "keep basil alive"), answered(TAXES, "taxes")]
    inputs = over(BASIL, MINT, TAXES, HERBS, neighbours=1)
    found = await rank_answers(judge(EngineRejected("too long")), inputs, answers, tick)
    assert [rank.prompt_id for rank in found.ranks] == [prompt_id(TAXES)]


async def test_an_engine_that_is_down_stops_it() -> None:
    with pytest.raises(EngineUnavailable):
        await rank_answers(
            judge(EngineUnavailable("down")), over(BASIL, MINT), [answered(MINT, "x")], tick
        )


async def test_an_engine_without_log_probabilities_leaves_the_reason() -> None:
    engine = ScriptedEngine(lambda prompt, params, seed: "")
    found = await rank_answers(engine, over(BASIL, MINT), [answered(MINT, "x")], tick)
    assert (found.ranks, found.missing) == ((), "a scripted engine has no log-probabilities")


async def test_nothing_to_compare() -> None:
    found = await rank_answers(judge(), over(BASIL), [answered(BASIL, "x")], tick)
    assert found.missing == "nothing to compare"
