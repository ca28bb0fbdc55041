"""Held-out answers: what counts as direct, ended and repeated; which prompts are asked."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfalign.constitution.render import engine_stops, render_prefix, student_stops
from selfalign.constitution.yaml_file import load_constitution
from selfalign.errors import EngineError, EngineTimeout
from selfalign.evaluation.held_out import answer_held_out, measured, repetition, summarise
from selfalign.evaluation.results import ARMS, DEFECTS, Arm, Defect, HeldOutAnswer
from selfalign.inference.contract.engine import Completion
from selfalign.layout.build import make_layout
from selfalign.settings.sampling import SamplingParams
from support import made_up_run
from support.chat_templates import template
from support.scripted_engine import ScriptedEngine

C = load_constitution()
W = C.wording
RULE_3, RULE_7 = (f"{p.id} ({p.name})" for p in C.principles if p.id in (3, 7))


def tick(done: int, total: int) -> None:
    pass


def measure(arm: Arm, text: str, finish: str = "stop_sequence") -> HeldOutAnswer:
    blank = HeldOutAnswer(arm=arm, prompt_id="p", instruction="Why?")
    inputs = made_up_run.inputs()
    return measured(inputs, blank, Completion(text, finish, 9, 7, 1.0))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "direct", "empty"),
    [
        ("Because it rains.", True, False),
        ("\n  Because.\n\n- one\n- two\n", True, False),
        ("# A heading of one's own\n\nText.", True, False),
        (" \n ", False, True),
        (f"{W.thoughts_header} Hm.", False, False),
        (f"Because.\n\n{W.answer_header} Because.", False, False),
        (f"Because.\n{C.student.user_heading}\nAnd?", False, False),
        (f"I mean the words {W.user_header} within a line.", True, False),
    ],
)
def test_student_answers(text: str, direct: bool, empty: bool) -> None:
    answer = measure("final", text)
    assert (answer.direct, answer.empty) == (direct, empty)
    assert answer.answer == text.strip()
    assert answer.chars == len(text.strip())
    assert answer.usable == (direct and not empty)


@pytest.mark.parametrize(
    ("text", "direct", "answer", "rules"),
    [
        (
            f" {W.opening} Hm. {W.rules_lead} {RULE_3}, 5.\n\n{W.answer_header} Yes.",
            True,
            "Yes.",
            (3,),
        ),
        (f" {W.opening} Hm.\n\n{W.answer_header} Yes.", True, "Yes.", ()),
        (
            f" {W.opening} {W.rules_lead} {RULE_3}, 9 (no).\n\n{W.answer_header} Yes.",
            True,
            "Yes.",
            (3,),
        ),
        (f" Hm.\n\n{W.answer_header} Yes.", False, "Yes.", ()),
        (f" {W.opening} Hm, and on and on", False, "", ()),
        ("", False, "", ()),
    ],
)
def test_answers_under_the_constitution(
    text: str, direct: bool, answer: str, rules: tuple[int, ...]
) -> None:
    found = measure("base_constitution", text)
    assert (found.direct, found.answer, found.rules) == (direct, answer, rules)


def test_ended() -> None:
    assert measure("base", "Yes.", "eos_token").ended
    assert measure("base", "Yes.", "stop_sequence").ended
    assert not measure("base", "Yes", "length").ended
    assert not measure("base", "Yes", "length").usable


LOOP = "Water it from below and turn it now. " * 6
PLAIN = "Put it on the sill where it gets the morning sun, and keep the soil moist."


@pytest.mark.parametrize(
    ("text", "defect", "usable"),
    [
        (PLAIN, None, True),
        (f"{PLAIN} {LOOP}", "loops", False),
        ("How do I keep basil alive in winter on my windowsill?", "copies", False),
        ("I am a helpful assistant. " + PLAIN, "introduces", False),
        ("Der Topf steht am besten auf der Bank und nicht in der Sonne.", "other_language", False),
    ],
)
def test_defects_have_columns_and_make_unusable(
    text: str, defect: Defect | None, usable: bool
) -> None:
    blank = HeldOutAnswer(
        arm="final",
        prompt_id="p",
        instruction="How do I keep basil alive in winter on my windowsill?",
    )
    found = measured(made_up_run.inputs(), blank, Completion(text, "eos_token", 9, 7, 1.0))
    assert [name for name in DEFECTS if found.has(name)] == ([defect] if defect else [])
    assert found.usable == usable
    assert found.direct
    assert found.ended


@pytest.mark.parametrize(
    ("text", "declined"),
    [("I'm sorry, but I can't help with that.", True), ("You can help it with water.", False)],
)
def test_an_answer_that_declines_an_ordinary_request_is_not_usable(
    text: str, declined: bool
) -> None:
    found = measure("final", text)
    assert bool(found.declined) == declined
    assert found.usable != declined


async def test_an_arm_without_its_template_is_refused() -> None:
    inputs = replace(made_up_run.inputs(), own="no template")
    with pytest.raises(ValueError, match="no template"):
        await answer_held_out("base_own", ScriptedEngine(made_up_run.answer), inputs, tick)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", 0.0), ("a b", 0.0), ("a b c d", 0.0), ("a b c a b c", 0.25), ("no No no no no", 2 / 3)],
)
def test_repetition(text: str, expected: float) -> None:
    assert repetition(text) == pytest.approx(expected)


@given(st.text(max_size=200))
def test_any_text_can_be_measured(text: str) -> None:
    for arm in ARMS:
        answer = measure(arm, text)
        assert 0.0 <= answer.repetition < 1.0
        assert answer.empty == (not answer.answer)
        assert not (answer.empty and answer.usable)
        assert HeldOutAnswer.model_validate_json(answer.model_dump_json()) == answer


@pytest.mark.parametrize("arm", ARMS)
async def test_prompts_stops_and_seeds(arm: Arm) -> None:
    inputs = made_up_run.inputs()
    engine = ScriptedEngine(made_up_run.answer)
    answers = await answer_held_out(arm, engine, inputs, tick)
    assert [answer.prompt_id for answer in answers] == [p.prompt_id for p in inputs.held_out]
    under = arm == "base_constitution"
    for prompt, params, _ in engine.calls:
        assert prompt.startswith(render_prefix(C)) == under
        assert prompt.startswith("<user>") == (arm == "base_own")
        stops = {"base_constitution": engine_stops(C), "base_own": ()}.get(arm, student_stops(C))
        assert params.stop == stops
        assert params.max_new_tokens == inputs.settings.sampling.max_new_tokens
    again = ScriptedEngine(made_up_run.answer)
    await answer_held_out("final", again, inputs, tick)
    assert [seed for *_, seed in again.calls] == [seed for *_, seed in engine.calls]
    assert len({seed for *_, seed in engine.calls}) == len(inputs.held_out)


async def test_students_are_asked_in_the_runs_template() -> None:
    inputs = replace(made_up_run.inputs(), layout=make_layout(C, template()))
    engine = ScriptedEngine(made_up_run.answer)
    await answer_held_out("final", engine, inputs, tick)
    for (prompt, params, _), item in zip(engine.calls, inputs.held_out, strict=True):
        assert prompt == inputs.layout.student_prompt(item.instruction, item.input)
        assert prompt.endswith("<|im_start|>assistant\n")
        assert params.stop == ()


async def test_two_calls_give_the_thoughts_first() -> None:
    def script(prompt: str, params: SamplingParams, seed: int | None) -> str:
        thinking = params.stop == ("\n",)
        return f" {W.opening} {W.rules_lead} {RULE_7}." if thinking else " Seven."

    inputs = made_up_run.inputs(calls="two", thoughts_tokens=33)
    engine = ScriptedEngine(script)
    (first, *_) = await answer_held_out("base_constitution", engine, inputs, tick)
    assert (first.answer, first.rules, first.direct) == ("Seven.", (7,), True)
    assert len(engine.calls) == 2 * len(inputs.held_out)
    thoughts = [params for _, params, _ in engine.calls if params.stop == ("\n",)]
    assert {params.max_new_tokens for params in thoughts} == {33}
    answers = [prompt for prompt, params, _ in engine.calls if params.stop != ("\n",)]
    assert all(prompt.endswith(f"{RULE_7}.\n\n{W.answer_header}") for prompt in answers)


async def test_failures_are_counted_and_not_averaged() -> None:
    def script(prompt: str, params: SamplingParams, seed: int | None) -> str | EngineError:
        return EngineTimeout("slow") if "basil" in prompt else "Certainly so."

    inputs = made_up_run.inputs()
    answers = await answer_held_out("base", ScriptedEngine(script), inputs, tick)
    assert [answer.reason for answer in answers] == ["EngineTimeout", "", "", ""]
    summary = summarise("base", answers, (), inputs)
    assert (summary.answered, summary.failed) == (3, 1)
    assert summary.chars is not None
    assert (summary.chars.value, summary.chars.n) == (13.0, 3)
    assert summary.cites_rules is None
    nothing = summarise("base", answers[:1], (), inputs)
    assert (nothing.answered, nothing.failed, nothing.usable) == (0, 1, None)
