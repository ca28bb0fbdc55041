"""The whole evaluation over scripted engines: arm by arm, merged, stored and read again."""

from dataclasses import replace

import pytest
from pydantic import ValidationError

from selfalign.errors import DataError
from selfalign.evaluation.arms import evaluate, evaluate_arm, judge_answers, merge
from selfalign.evaluation.evaluate_settings import EvaluationSettings
from selfalign.evaluation.figures import EvaluationResults
from selfalign.evaluation.report.run_card import render_card
from selfalign.evaluation.report.run_report import render_report
from selfalign.evaluation.results import ArmResults
from support import made_up_run
from support.made_up_run import HashEngine, answer


async def test_arms_one_by_one_give_what_all_together_give() -> None:
    inputs = made_up_run.inputs()
    together = await made_up_run.results()
    # In another order, and through JSON, as a resumed run does it.
    stored = [
        (await evaluate_arm(role, HashEngine(answer, salt=role, missing=0.05), inputs))
        .model_copy(update={"seconds": 0.0})
        .model_dump_json()
        for role in ("final", "base", "engraved")
    ]
    arms = [ArmResults.model_validate_json(text) for text in stored]
    on_task = await judge_answers(HashEngine(answer, salt="base", missing=0.05), inputs, arms)
    assert on_task.judge == "scripted"
    assert together.on_task is not None
    # The answers came in another order; what is ranked, and how, is the same.
    assert set(on_task.ranks) == set(together.on_task.ranks)
    merged = merge(inputs, arms, together.on_task)
    timeless = tuple(arm.model_copy(update={"seconds": 0.0}) for arm in together.arms)
    assert merged == together.model_copy(update={"arms": timeless})
    assert [arm.role for arm in merged.arms] == ["base", "engraved", "final"]
    assert EvaluationResults.model_validate_json(merged.model_dump_json()) == merged


async def test_what_is_asked_of_which_model() -> None:
    found = await made_up_run.results()
    arms = [summary.arm for summary in found.summaries]
    assert arms == ["base_constitution", "base", "base_own", "engraved", "final"]
    assert [bool(arm.probes) for arm in found.arms] == [True, False, False]
    assert all(len(arm.benchmarks) == 2 for arm in found.arms)
    overall = [each for each in found.accuracies if each.category == ""]
    assert [(each.benchmark, each.role) for each in overall] == [
        (benchmark, role)
        for benchmark in ("hhh", "truthfulqa")
        for role in ("base", "engraved", "final")
    ]
    assert sum(each.missing for each in overall) > 0
    assert {each.chance for each in overall if each.benchmark == "hhh"} == {0.5}
    headline = found.headline()
    assert not any("hhh" in name or "truthfulqa" in name for name in headline)
    assert headline["baseline"] == found.baseline
    assert headline["final.usable.n"] == 4


async def test_an_arm_that_cannot_be_asked_is_left_out_with_the_reason() -> None:
    inputs = replace(made_up_run.inputs(), own="the tokenizer has no chat template")
    found = await evaluate(inputs, {"base": HashEngine(answer)})
    assert [summary.arm for summary in found.summaries] == ["base_constitution", "base"]
    assert found.arms[0].left_out == {"base_own": "the tokenizer has no chat template"}
    page = render_report(made_up_run.view(found))
    assert "Base, own template was left out: the tokenizer has no chat template." in page


async def test_parts_can_be_left_out() -> None:
    inputs = made_up_run.inputs(hhh_limit=0, truthfulqa_limit=2, probe_rows=0)
    found = await evaluate(inputs, {"final": HashEngine(answer)})
    assert [(arm.role, len(arm.benchmarks)) for arm in found.arms] == [("final", 1)]
    assert found.agreement is None
    assert (await evaluate(inputs, {})).arms == ()


async def test_held_out_answers_alone_make_a_report_and_a_card() -> None:
    inputs = made_up_run.inputs(hhh_limit=0, truthfulqa_limit=0, probe_rows=0, probes_per_kind=0)
    engine = HashEngine(answer)
    found = await evaluate(inputs, {"base": engine, "engraved": engine, "final": engine})
    assert [arm.outcomes for arm in found.arms] == [()] * 3
    view = made_up_run.view(found)
    assert "Usable answers" in render_report(view)
    assert "Usable answers" in render_card(view)


async def test_progress_covers_every_phase() -> None:
    seen: list[tuple[str, int, int]] = []
    await evaluate_arm(
        "base", HashEngine(answer), made_up_run.inputs(), lambda *event: seen.append(event)
    )
    inputs = made_up_run.inputs()
    # One request a row, and one for the empty prompt.
    probes = inputs.settings.probe_rows + 1
    last = {phase: (done, total) for phase, done, total in seen}
    assert last["base: answers (base_constitution)"] == last["base: answers (base)"] == (4, 4)
    assert last["base: HHH"] == (24, 24)
    assert last["base: rules"] == (probes, probes)
    assert all(done == total for done, total in last.values())


async def test_one_model_twice_is_refused() -> None:
    arm = ArmResults(role="base", model_id="m", seconds=0.0)
    with pytest.raises(DataError, match="two results for 'base'"):
        merge(made_up_run.inputs(), [arm, arm])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"held": 3}, "Extra inputs"),
        ({"held_out": -1}, "greater than or equal to 0"),
        ({"confidence": 1.0}, "less than 1"),
        ({"logprob_floor": 0.0}, "less than 0"),
        ({"calls": "three"}, "'one' or 'two'"),
        ({"sampling": {"stop": ["x"]}}, "stop: ['x'] is set"),
    ],
)
def test_bad_settings_are_named(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        EvaluationSettings.model_validate(settings)
    assert message in str(caught.value)
