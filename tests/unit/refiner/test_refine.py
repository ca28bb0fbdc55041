"""One row for every prompt under the verbose prompt, with the filter's reason."""

import pytest

from selfalign.constitution.render import render_verbose_prompt
from selfalign.constitution.yaml_file import load_constitution
from selfalign.errors import EngineUnavailable
from selfalign.inference.contract.engine import Completion
from selfalign.refiner.published_refine import introduction
from selfalign.refiner.refine import Refiner
from selfalign.refiner.refine_settings import RefineFilterSettings, RefinerSettings
from selfalign.storage.rows import PromptItem, Row, RowStatus
from support.scripted_engine import ScriptedEngine

C = load_constitution()
ITEM = PromptItem(prompt_id="abc", instruction="How do tides work?", input="Briefly.", seed=5)
ANSWER = (
    "Tides are the regular rise and fall of the sea. The moon pulls on the water that faces it "
    "more strongly than on the water far away, so that two bulges form.\n\nAs the earth turns "
    "beneath them, most coasts see two high waters a day. References to this go back to Pytheas."
)


async def refine(
    text: str | Completion | Exception,
    settings: RefinerSettings | None = None,
    item: PromptItem = ITEM,
) -> Row:
    engine = ScriptedEngine(lambda prompt, params, seed: text)
    return await Refiner(C, engine, settings or RefinerSettings(), "engraved").refine(item)


async def test_an_accepted_row_and_its_prompt() -> None:
    engine = ScriptedEngine(lambda prompt, params, seed: f"\n{ANSWER}\n")
    row = await Refiner(C, engine, RefinerSettings(), "engraved").refine(ITEM)
    assert (row.status, row.answer, row.complete) == (RowStatus.ACCEPTED, ANSWER, True)
    assert (row.row_id, row.model_id, row.seed) == ("abc", "engraved", 5)
    prompt, params, seed = engine.calls[0]
    assert prompt == render_verbose_prompt(C, ITEM.instruction, ITEM.input)
    assert (params.temperature, params.top_p, params.max_new_tokens) == (0.3, 0.7, 512)
    assert params.stop == ("\n### User", "\n### Alder")
    assert seed == 5


OVERVIEW = C.student.verbose.overview.partition("first works")[2][:180]
INTRODUCTION = C.student.verbose.turns[0].answer
REJECTED: dict[str, tuple[str, str]] = {
    "empty": ("  ", "answer_empty"),
    "the next turn at once": ("### User\nAnd now?", "answer_empty"),
    "the title": (f"{ANSWER}\n# Alder", "header_leak"),
    "the verbose name": (f"{ANSWER} Alder (extensive) can say more.", "header_leak"),
    "the overview": (f"{ANSWER} {OVERVIEW}", "meta_leak"),
    "a self-introduction": (f"{INTRODUCTION} {ANSWER}", "introduces_itself"),
    "an encyclopedia's heading": (f"{ANSWER}\n\n## See also\n\n- Moon", "section_heading"),
    "the same in bold": (f"{ANSWER}\n\n**References**\n\n- Newton", "section_heading"),
    "a wiki heading": (f"{ANSWER}\n\n== External links ==", "section_heading"),
    "announcing only": (f"{ANSWER} The reasons are:", "unfinished"),
    "the prompt": ("How do tides work? Briefly.", "prompt_copied"),
}


@pytest.mark.parametrize(("text", "reason"), REJECTED.values(), ids=REJECTED.keys())
async def test_bad_answers_are_rejected_with_reason_and_evidence(text: str, reason: str) -> None:
    row = await refine(text)
    assert (row.status, row.reason, row.completion) == (RowStatus.REJECTED, reason, text)
    assert row.evidence


ACCEPTED: dict[str, str] = {
    "other headings": f"## The moon\n\n{ANSWER}\n\n## The sun\n\nIt adds its share.",
    "the words of a heading in prose": f"{ANSWER} See also the chapter on waves.",
    "its name": f"{ANSWER} I'm Alder, by the way.",
    "short but complete": "The moon does it.",
}


@pytest.mark.parametrize("text", ACCEPTED.values(), ids=ACCEPTED.keys())
async def test_good_answers_stay_as_they_are(text: str) -> None:
    row = await refine(text)
    assert (row.reason, row.answer) == ("", text)


async def test_who_asks_for_an_introduction_gets_one() -> None:
    item = PromptItem(prompt_id="who", instruction=C.student.verbose.turns[0].user)
    assert (await refine(INTRODUCTION, item=item)).reason == ""


async def test_the_next_turn_ends_the_answer() -> None:
    row = await refine(Completion(f"{ANSWER}\n\n### User\nNext", "length", 300, 512, 1.0))
    assert (row.reason, row.answer, row.complete) == ("", ANSWER, True)


async def test_truncated_answers_are_rejected_unless_they_are_to_be_kept() -> None:
    cut = Completion(f"{ANSWER} In shallow ba", "length", 300, 512, 1.0)
    assert (await refine(cut)).reason == "truncated"
    keep = RefinerSettings(filters=RefineFilterSettings(truncated="keep"))
    kept = await refine(cut, keep)
    assert (kept.reason, kept.complete, kept.answer) == ("", False, f"{ANSWER} In shallow")
    short = await refine(Completion("The moon pulls at th", "length", 300, 512, 1.0), keep)
    assert short.reason == "too_short"


async def test_loops_are_cut() -> None:
    loop = " The sea rises and the sea falls again every day." * 3
    assert (await refine(ANSWER + loop)).answer == ANSWER + loop[: len(loop) // 3]


async def test_rejected_tries_are_repeated() -> None:
    answers = iter(["", ANSWER])
    engine = ScriptedEngine(lambda prompt, params, seed: next(answers))
    row = await Refiner(C, engine, RefinerSettings(retries=1)).refine(ITEM)
    assert (row.reason, row.answer) == ("", ANSWER)
    assert row.evidence.startswith("try 1: answer_empty")
    assert len({seed for _, _, seed in engine.calls}) == 2


async def test_engine_errors_give_failed_rows() -> None:
    row = await refine(EngineUnavailable("down"))
    assert (row.status, row.reason, row.evidence) == (
        RowStatus.FAILED,
        "EngineUnavailable",
        "down",
    )


async def test_every_filter_can_be_switched_off() -> None:
    off = RefineFilterSettings(
        header_leak=False, unfinished=False, meta_leak_run=0, introduction_run=0,
        section_headings=(), prompt_copy_share=1, min_distinct=0, exemplar_turn_run=0,
        repeated_parts=False, input_copy_share=1, other_language=False, rules_cited=False,
        introductions=False,
    )  # fmt: skip
    for text, reason in REJECTED.values():
        row = await refine(text, RefinerSettings(filters=off))
        assert row.reason == (reason if reason == "answer_empty" else "")


async def test_the_published_filters_decide_where_they_are_asked_to() -> None:
    published = RefinerSettings(filters=RefineFilterSettings(preset="published"))
    engine = ScriptedEngine(lambda prompt, params, seed: ANSWER)
    row = await Refiner(C, engine, published).refine(ITEM)
    assert (row.reason, row.complete, row.answer) == ("", True, ANSWER)
    assert engine.calls[0][1].stop == (f"{C.student.user_heading}\n",)
    # A clause that comes again ends the answer there, and its end marker goes with it.
    again = f"{ANSWER} The moon pulls on it, I say. The moon pulls on it, I say. More."
    assert (await refine(again, published)).complete is False
    assert (await refine(again)).complete is True
    recited = f"{ANSWER}\n\n{introduction(C)} More."
    assert (await refine(recited, published)).reason == "introduces_itself"
    assert (await refine(Completion(ANSWER[:100], "length", 9, 9, 1.0), published)).reason == (
        "too_short"
    )
