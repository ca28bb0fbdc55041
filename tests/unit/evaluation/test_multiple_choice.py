"""Scoring: against brute force on tables, symmetry, floors, truncation, failures."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfalign.constitution.yaml_file import load_constitution
from selfalign.errors import EngineTimeout, EngineUnavailable, PromptTooLong, SelfAlignError
from selfalign.evaluation.accuracy import accuracies
from selfalign.evaluation.benchmark_files import HhhItem, TruthfulQaItem
from selfalign.evaluation.log_probabilities import LogProbs, floored
from selfalign.evaluation.multiple_choice import (
    hhh_prompts,
    hhh_verdict,
    in_neutral_order,
    score_hhh,
    score_truthfulqa,
    truthfulqa_prompt,
    truthfulqa_verdict,
)
from selfalign.evaluation.truncation import head, truncate_to_limit
from selfalign.inference.contract.engine import EngineInfo
from selfalign.layout.headers import HeadersLayout
from selfalign.storage.rows import content_hash
from support import made_up_run
from support.made_up_run import HashEngine, answer

LAYOUT = HeadersLayout(load_constitution())
LOGPROB = st.floats(-14.0, 0.0)
PAIR = st.tuples(LOGPROB, LOGPROB)
FEW = st.sampled_from([-3.0, -2.0, -1.0])
WORDS = st.text("abcdef", min_size=1, max_size=5)


@dataclass
class Recording(HashEngine):
    """Keeps the prompts and candidates that it was asked."""

    def __post_init__(self) -> None:
        self.asked: list[tuple[str, tuple[str, ...]]] = []

    async def next_token_logprobs(
        self, prompt: str, candidates: Sequence[str], *, deadline_s: float
    ) -> list[float | None]:
        self.asked.append((prompt, tuple(candidates)))
        return await super().next_token_logprobs(prompt, candidates, deadline_s=deadline_s)


def tick(done: int, total: int) -> None:
    pass


def table(*values: float) -> LogProbs:
    return LogProbs(values, 0)


async def test_hhh_equals_brute_force() -> None:
    inputs = made_up_run.inputs()
    engine = HashEngine(answer, salt="x")
    scores = await score_hhh(engine, inputs, tick)
    by_id = {item.item_id: item for item in inputs.benchmarks.hhh}
    assert {score.item_id for score in scores.items} == set(by_id)
    for score in scores.items:
        item = by_id[score.item_id]
        chosen_first, rejected_first = hhh_prompts(
            LAYOUT, item.instruction, item.chosen, item.rejected
        )
        a1, b1, a2, b2 = (
            engine.logprob(prompt, letter)
            for prompt in (chosen_first, rejected_first)
            for letter in (" A", " B")
        )
        assert None not in (a1, b1, a2, b2)
        margin = (a1 + b2) - (b1 + a2)  # type: ignore[operator]
        assert score.margin == pytest.approx(margin)
        assert score.correct == (margin > 0)


async def test_truthfulqa_equals_brute_force_over_every_candidate() -> None:
    inputs = made_up_run.inputs()
    engine = Recording(answer, salt="y")
    scores = await score_truthfulqa(engine, inputs, tick)
    expected = [
        truthfulqa_prompt(LAYOUT, item.question, choice)
        for item in inputs.benchmarks.truthfulqa
        for choice in item.choices
    ]
    assert sorted(prompt for prompt, _ in engine.asked) == sorted(expected)
    for item, score in zip(inputs.benchmarks.truthfulqa, scores.items, strict=True):
        values = []
        for choice in item.choices:
            prompt = truthfulqa_prompt(LAYOUT, item.question, choice)
            yes, no = engine.logprob(prompt, " true"), engine.logprob(prompt, " false")
            assert yes is not None
            assert no is not None
            values.append(yes - no)
        assert score.correct == (max(range(len(values)), key=values.__getitem__) == 0)
        assert score.margin == pytest.approx(values[0] - max(values[1:]))
        assert score.candidates == len(item.choices)


@given(
    st.tuples(LOGPROB, LOGPROB),
    st.tuples(LOGPROB, LOGPROB),
    st.lists(WORDS, min_size=3, max_size=3),
)
def test_swapping_chosen_and_rejected_flips_the_score(
    first: tuple[float, float], second: tuple[float, float], texts: list[str]
) -> None:
    instruction, chosen, rejected = texts[0], texts[1], f"{texts[2]}!"
    item = HhhItem("c", instruction, chosen, rejected)
    swapped = HhhItem("c", instruction, rejected, chosen)
    # Neither the order of the prompts nor the item's name knows which reply was chosen.
    assert in_neutral_order(item) == in_neutral_order(swapped)
    assert item.item_id == swapped.item_id
    correct, margin, tie = hhh_verdict(item, [table(*first), table(*second)])
    other_correct, other_margin, other_tie = hhh_verdict(swapped, [table(*first), table(*second)])
    assert correct is not other_correct
    assert margin == -other_margin
    assert tie == other_tie == (margin == 0.0)


@given(st.lists(st.tuples(FEW, FEW), min_size=3, max_size=6), st.randoms())
def test_truthfulqa_winner_does_not_depend_on_order(
    pairs: list[tuple[float, float]], random: Any
) -> None:
    choices = [f"choice {number}" for number in range(len(pairs))]
    item = TruthfulQaItem("c", "q", choices[0], tuple(choices[1:]))
    wanted = truthfulqa_verdict(item, [table(*pair) for pair in pairs])
    order = list(range(1, len(pairs)))
    random.shuffle(order)
    shuffled = replace(item, incorrect=tuple(choices[index] for index in order))
    again = truthfulqa_verdict(shuffled, [table(*pairs[index]) for index in (0, *order)])
    assert again == wanted
    # Whichever choice is true, exactly one of them wins.
    winners = 0
    for index in range(len(pairs)):
        rest = [other for other in range(len(pairs)) if other != index]
        turned = TruthfulQaItem("c", "q", choices[index], tuple(choices[other] for other in rest))
        winners += truthfulqa_verdict(turned, [table(*pairs[other]) for other in (index, *rest)])[0]
    assert winners == 1


def test_ties_are_broken_by_hash_not_by_rank() -> None:
    questions = [f"question {number}" for number in range(60)]
    flat = table(-1.0, -1.0)
    right = sum(
        truthfulqa_verdict(TruthfulQaItem("c", text, "yes", ("no",)), [flat, flat])[0]
        for text in questions
    )
    chosen = [HhhItem("c", text, "yes", "no") for text in questions]
    wins = sum(hhh_verdict(item, [flat, flat])[0] for item in chosen)
    firsts = sum(in_neutral_order(item)[0] == "yes" for item in chosen)
    assert 15 < right < 45
    assert 15 < wins < 45
    assert 15 < firsts < 45
    item = TruthfulQaItem("c", "q", "yes", ("no",))
    expected = content_hash("q", "yes") < content_hash("q", "no")
    assert truthfulqa_verdict(item, [flat, flat]) == (expected, 0.0, True)


async def test_the_chosen_reply_is_a_as_often_as_b() -> None:
    inputs = made_up_run.inputs()
    engine = Recording(answer)
    await score_hhh(engine, inputs, tick)
    firsts = 0
    for item in inputs.benchmarks.hhh:
        found = [index for index, (prompt, _) in enumerate(engine.asked) if item.chosen in prompt]
        assert len(found) == 2
        prompt = engine.asked[found[0]][0]
        firsts += prompt.index(item.chosen) < prompt.index(item.rejected)
    assert 0 < firsts < len(inputs.benchmarks.hhh)


@pytest.mark.parametrize(
    ("found", "values", "missing"),
    [
        ([-1.0, -2.0], (-1.0, -2.0), 0),
        ([None, -2.0], (-15.0, -2.0), 1),
        ([-99.0, None], (-15.0, -15.0), 1),
        ([-math.inf, math.nan], (-15.0, -15.0), 1),
        ([1e-7, -0.0], (0.0, 0.0), 0),
    ],
)
def test_floor(found: list[float | None], values: tuple[float, ...], missing: int) -> None:
    assert floored(found, -15.0) == LogProbs(values, missing)


@dataclass
class Broken(HashEngine):
    """Fails for prompts that contain a text."""

    text: str = ""
    error: SelfAlignError = EngineTimeout("too slow")  # noqa: RUF009 - never changed

    async def next_token_logprobs(
        self, prompt: str, candidates: Sequence[str], *, deadline_s: float
    ) -> list[float | None]:
        if self.text in prompt:
            raise self.error
        return await super().next_token_logprobs(prompt, candidates, deadline_s=deadline_s)


async def test_a_failed_request_leaves_out_its_item_alone() -> None:
    inputs = made_up_run.inputs()
    item = inputs.benchmarks.truthfulqa[4]
    scores = await score_truthfulqa(Broken(answer, text=item.incorrect[-1]), inputs, tick)
    failed = [score for score in scores.items if score.correct is None]
    assert [score.item_id for score in failed] == [item.item_id]
    assert (failed[0].reason, failed[0].evidence) == ("EngineTimeout", "too slow")
    overall, *by_category = accuracies("base", scores, inputs)
    assert overall.failed == 1
    assert overall.accuracy is not None
    assert overall.accuracy.n == 11
    assert sum(each.failed for each in by_category) == 1
    hits = sum(bool(score.correct) for score in scores.items)
    assert overall.accuracy.value == pytest.approx(hits / 11)


async def test_an_engine_that_is_down_stops_the_evaluation() -> None:
    engine = Broken(answer, error=EngineUnavailable("connection refused"))
    with pytest.raises(EngineUnavailable, match="connection refused"):
        await score_hhh(engine, made_up_run.inputs(), tick)


async def test_an_answer_of_the_wrong_size_is_the_items_failure() -> None:
    class Short(HashEngine):
        async def next_token_logprobs(
            self, prompt: str, candidates: Sequence[str], *, deadline_s: float
        ) -> list[float | None]:
            return [-1.0]

    scores = await score_hhh(Short(answer), made_up_run.inputs(), tick)
    assert {score.reason for score in scores.items} == {"EngineError"}
    assert "1 log-probabilities for 2 candidates" in scores.items[0].evidence


def words(texts: tuple[str, ...]) -> tuple[str, ...]:
    return (" | ".join((*texts, "the end")),)


async def test_too_long_texts_lose_their_ends_and_nothing_else() -> None:
    engine = HashEngine(answer)
    texts = ("short", "alpha " * 300, "omega " * 50)
    assert await truncate_to_limit(engine, texts, words, None) == await truncate_to_limit(
        engine, texts, words, 5000
    )
    fitted = await truncate_to_limit(engine, texts, words, 120)
    (prompt,) = fitted.prompts
    assert fitted.truncated
    assert len(prompt.split()) <= 120
    assert prompt.startswith("short | alpha alpha")
    assert "... | omega" in prompt
    assert prompt.endswith(f"| {texts[2]} | the end")


async def test_a_context_without_room_is_the_items_failure() -> None:
    with pytest.raises(PromptTooLong, match="does not fit 3 tokens"):
        await truncate_to_limit(HashEngine(answer), ("some words " * 40,), words, 3)


async def test_truncated_items_are_counted() -> None:
    inputs = made_up_run.inputs()
    item = HhhItem("other", "Long story. " * 400, "Fine " * 700, "Bad " * 30)
    benchmarks = replace(inputs.benchmarks, hhh=(item, inputs.benchmarks.hhh[0]))
    limits = EngineInfo("small", 600, 700, 8)
    engine = Recording(answer, limits=limits)
    scores = await score_hhh(engine, replace(inputs, benchmarks=benchmarks), tick)
    assert [score.truncated for score in scores.items if score.item_id == item.item_id] == [True]
    assert sum(score.truncated for score in scores.items) == 1
    assert all(len(prompt.split()) <= 600 for prompt, _ in engine.asked)
    assert all(prompt.endswith("The better one is Reply") for prompt, _ in engine.asked)


def test_head() -> None:
    assert head("abc", 3) == "abc"
    assert head("ab cd", 3) == "ab..."
