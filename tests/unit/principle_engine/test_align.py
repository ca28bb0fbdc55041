"""One row for every prompt, with the filter's reason; the script says what the engine wrote."""

from dataclasses import dataclass, field

import pytest

from selfalign.constitution.render import render_prefix
from selfalign.constitution.yaml_file import load_constitution
from selfalign.errors import EngineError, EngineRejected, EngineTimeout, PromptTooLong
from selfalign.inference.contract.engine import Completion
from selfalign.principle_engine.align import Aligner
from selfalign.principle_engine.align_settings import (
    AlignFilterSettings,
    PrincipleEngineSettings,
    ThoughtsOverlapSettings,
)
from selfalign.settings.sampling import SamplingParams
from selfalign.storage.rows import PromptItem, Row, RowStatus, derive_seed
from support.scripted_engine import ScriptedEngine

C = load_constitution()
W = C.wording
ITEM = PromptItem(
    prompt_id="abc",
    instruction="How do tides work?",
    seed=5,
    attempt=2,
    source="topic_guided",
    question_type="Questions that require scientific knowledge",
    topic="Tides",
)
THOUGHTS = f"{W.opening} The user wonders what moves the sea. {W.rules_lead} 2 (informative)."
ANSWER = (
    "Tides are the regular rise and fall of the sea. The moon pulls on the water that faces it "
    "more strongly than on the water far away, so that two bulges form, and as the earth turns "
    "beneath them most coasts see two high waters a day."
)
SMALL = PrincipleEngineSettings(
    calls="two",
    retries=2,
    filters=AlignFilterSettings(
        min_chars=60,
        thoughts_overlap=ThoughtsOverlapSettings(enabled=True),
    ),
)


def wrote(answer: str, thoughts: str = THOUGHTS) -> str:
    return f" {thoughts}\n\n{W.answer_header} {answer}"


async def align(
    text: str | Completion | Exception,
    settings: PrincipleEngineSettings | None = None,
    item: PromptItem = ITEM,
) -> Row:
    engine = ScriptedEngine(lambda prompt, params, seed: text)
    return await Aligner(C, engine, settings or PrincipleEngineSettings(), "base").align(item)


async def test_an_accepted_row_holds_everything() -> None:
    text = wrote(ANSWER)
    row = await align(Completion(text, "stop_sequence", 1800, 90, 12.5))
    assert row == Row(
        row_id="abc",
        prompt_id="abc",
        status=RowStatus.ACCEPTED,
        source=ITEM.source,
        question_type=ITEM.question_type,
        topic=ITEM.topic,
        instruction=ITEM.instruction,
        completion=text,
        thoughts=THOUGHTS,
        rules=(2,),
        answer=ANSWER,
        complete=True,
        attempt=2,
        seed=5,
        model_id="base",
        finish_reason="stop_sequence",
        prompt_tokens=1800,
        completion_tokens=90,
        latency_ms=12.5,
    )


REJECTED: dict[str, tuple[str, str]] = {
    "no opening": (wrote(ANSWER, "The user wonders."), "opening_missing"),
    "no answer": (f" {THOUGHTS}", "answer_missing"),
    "empty answer": (wrote(" "), "answer_empty"),
    "a turn inside": (wrote(f"{ANSWER}\nAlder (internal thoughts): hm"), "turn_marker"),
    "an exemplar's answer": (wrote(C.exemplars[3].turns[1].answer), "exemplar_leak"),
    "half an exemplar's answer": (wrote(C.exemplars[4].turns[0].answer[:300]), "exemplar_leak"),
    "an automatic reply": (wrote(C.exemplars[0].auto_reply), "exemplar_leak"),
    "an apology": (wrote(f"I'm sorry, I cannot say. {ANSWER}"), "refusal"),
    "the prompt again": (wrote("How do tides work?"), "prompt_copied"),
    "announcing only": (wrote(f"{ANSWER} The reasons are these:"), "unfinished"),
    "short": (wrote("The moon pulls at the water."), "too_short"),
}


@pytest.mark.parametrize(("text", "reason"), REJECTED.values(), ids=REJECTED.keys())
async def test_bad_answers_are_rejected_with_reason_and_evidence(text: str, reason: str) -> None:
    row = await align(text)
    assert (row.status, row.reason) == (RowStatus.REJECTED, reason)
    assert row.evidence
    assert row.completion == text


ACCEPTED: dict[str, str] = {
    "the weather": (
        "The weather follows the sun: warm air rises over land by day and cool air flows in from "
        "the sea, which is why a breeze comes up on most summer afternoons near a coast."
    ),
    "a president": (
        "The president of the French Republic is elected for five years. Before 2002 it was seven "
        "years, and President Chirac was the first to serve the shorter term after a referendum."
    ),
    "films, cars, mercury": (
        "Mercury lamps were common in film studios and car headlights alike, until their poisonous "
        "vapour and poor colours made makers turn to xenon and later to light-emitting diodes."
    ),
    "a list": "Bring these to the beach:\n\n" + "\n".join(
        f"- {thing}, and a spare one as well" for thing in ("a hat", "water", "shoes", "a towel")
    ),
    "code": "```\n" + "wave.rise(1)\nwave.fall(1)\n" * 12 + "```",
    "an apology further on": f"{ANSWER} I'm sorry that it is not simpler.",
}  # fmt: skip


@pytest.mark.parametrize("answer", ACCEPTED.values(), ids=ACCEPTED.keys())
async def test_answers_that_the_published_word_list_would_drop_survive(answer: str) -> None:
    row = await align(wrote(answer))
    assert (row.reason, row.answer, row.complete) == ("", answer, True)


async def test_a_user_who_quotes_an_exemplar_gets_an_answer_with_the_quote() -> None:
    quote = C.exemplars[4].turns[0].answer[44:230]
    item = PromptItem(prompt_id="q", instruction="Summarise this text.", input=quote)
    row = await align(wrote(f"{quote} {ANSWER}"), item=item)
    assert row.reason == ""


def test_a_profile_may_switch_the_strict_filter_on_alone() -> None:
    filters = AlignFilterSettings.model_validate({"thoughts_overlap": {"enabled": True}})
    assert filters.thoughts_overlap == ThoughtsOverlapSettings(enabled=True)
    assert filters.thoughts_overlap.ngram < filters.exemplar_overlap.ngram


async def test_loops_are_cut_and_the_rest_is_kept() -> None:
    loop = " The sea rises and the sea falls again every day." * 3
    row = await align(wrote(ANSWER + loop))
    assert row.reason == ""
    assert row.answer == f"{ANSWER} The sea rises and the sea falls again every day."


async def test_truncated_answers_are_rejected_unless_they_are_to_be_kept() -> None:
    cut = Completion(wrote(f"{ANSWER} In shallow ba"), "length", 1800, 256, 1.0)
    row = await align(cut)
    assert (row.reason, row.complete) == ("truncated", False)
    keep = PrincipleEngineSettings(filters=AlignFilterSettings(truncated="keep"))
    kept = await align(cut, keep)
    assert (kept.reason, kept.complete) == ("", False)
    assert kept.answer == f"{ANSWER} In shallow"
    followed = Completion(wrote(f"{ANSWER}\n\nUser: What about sh"), "length", 1800, 256, 1.0)
    whole = await align(followed)
    assert (whole.reason, whole.complete, whole.answer) == ("", True, ANSWER)


async def test_rules_that_disagree_are_reported_and_may_be_refused() -> None:
    text = wrote(ANSWER, f"{W.opening} Hm. {W.rules_lead} 3 (candor), 40 (odd), 7 (candor).")
    row = await align(text)
    assert (row.status, row.rules) == (RowStatus.ACCEPTED, (3, 7))
    assert row.evidence == "rules: 3 (candor) is helpful, 40 (odd) is no principle"
    strict = PrincipleEngineSettings(filters=AlignFilterSettings(require_rule_agreement=True))
    assert (await align(text, strict)).reason == "rules_disagree"


RESTATED: dict[str, str] = {
    "word for word": "The user wonders what moves the sea, and I shall explain it in detail.",
    "with the opening": f"{W.opening} {ANSWER}",
    "with the rules": f"{ANSWER} {W.rules_lead} 2 (informative).",
    "with the rules in the singular": f"{ANSWER} The principle that matters here is 5 (strategic).",
    "citing a rule": f"{ANSWER} That is 3 (helpful).",
}


@pytest.mark.parametrize("answer", RESTATED.values(), ids=RESTATED.keys())
async def test_the_strict_filter_rejects_restated_thoughts(answer: str) -> None:
    strict = SMALL.model_copy(update={"calls": "one", "retries": 0})
    assert (await align(wrote(answer), strict)).reason == "thoughts_restated"
    assert (await align(wrote(ANSWER), strict)).reason == ""


ERRORS: list[Exception] = [EngineTimeout("late"), EngineRejected("no"), PromptTooLong("long")]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
async def test_engine_errors_give_failed_rows(error: Exception) -> None:
    row = await align(error, SMALL)
    assert (row.status, row.reason) == (RowStatus.FAILED, type(error).__name__)
    assert (row.evidence, row.instruction, row.attempt) == (str(error), ITEM.instruction, 2)


async def test_an_error_that_is_not_the_engines_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        await align(ZeroDivisionError())


async def test_an_empty_instruction_fails_before_the_engine_is_asked() -> None:
    engine = ScriptedEngine(lambda prompt, params, seed: wrote(ANSWER))
    row = await Aligner(C, engine, SMALL).align(PromptItem(prompt_id="e", instruction=" "))
    assert (row.status, row.reason, engine.calls) == (RowStatus.FAILED, "DataError", [])


@dataclass
class Speaker:
    """Thoughts to a prompt that ends with their header, answers in turn to the others."""

    answers: list[str | Exception]
    seeds: list[int | None] = field(default_factory=list)

    def __call__(self, prompt: str, params: SamplingParams, seed: int | None) -> str | Exception:
        if prompt.endswith(W.thoughts_header):
            assert params.stop == ("\n",)
            return f" {THOUGHTS}"
        assert prompt.endswith(f"{W.thoughts_header} {THOUGHTS}\n\n{W.answer_header}")
        self.seeds.append(seed)
        return self.answers[min(len(self.seeds), len(self.answers)) - 1]


async def test_two_calls_give_one_row() -> None:
    engine = ScriptedEngine(Speaker([f" {ANSWER}"]))
    row = await Aligner(C, engine, SMALL).align(ITEM)
    assert (row.reason, row.thoughts, row.answer) == ("", THOUGHTS, ANSWER)
    assert row.completion == wrote(ANSWER)
    assert [len(call[1].stop) for call in engine.calls] == [1, 4]
    assert row.completion_tokens == len(THOUGHTS.split()) + len(ANSWER.split())


async def test_the_opening_is_given_to_models_that_forget_it() -> None:
    settings = SMALL.model_copy(update={"opening_given": True})
    rest = THOUGHTS.removeprefix(W.opening)
    engine = ScriptedEngine(
        lambda prompt, params, seed: rest if "\n" in params.stop else f" {ANSWER}"
    )
    row = await Aligner(C, engine, settings).align(ITEM)
    assert engine.calls[0][0].endswith(f"{W.thoughts_header} {W.opening}")
    assert (row.reason, row.thoughts, row.completion) == ("", THOUGHTS, wrote(ANSWER))


async def test_a_lead_begins_the_answer() -> None:
    settings = SMALL.model_copy(update={"answer_lead": "In short,"})
    engine = ScriptedEngine(
        lambda prompt, params, seed: f" {THOUGHTS}" if "\n" in params.stop else f" {ANSWER}"
    )
    row = await Aligner(C, engine, settings).align(ITEM)
    assert engine.calls[1][0].endswith(f"{W.answer_header} In short,")
    assert row.answer == f"In short, {ANSWER}"


async def test_rejected_tries_are_repeated_with_other_seeds() -> None:
    speaker = Speaker([" Too short.", " I'm sorry, I do not know.", f" {ANSWER}"])
    row = await Aligner(C, ScriptedEngine(speaker), SMALL).align(ITEM)
    seeds = [5, derive_seed(5, "retry", 1), derive_seed(5, "retry", 2)]
    assert (row.reason, row.answer, row.seed, row.attempt) == ("", ANSWER, seeds[2], 2)
    assert speaker.seeds == seeds
    assert row.evidence.startswith("try 1: too_short: ")
    assert "; try 2: refusal: " in row.evidence
    texts = [THOUGHTS] * 3 + [" Too short.", " I'm sorry, I do not know.", f" {ANSWER}"]
    assert row.completion_tokens == sum(len(text.split()) for text in texts)


async def test_the_last_try_is_the_row_when_none_is_accepted() -> None:
    row = await Aligner(C, ScriptedEngine(Speaker([" No."])), SMALL).align(ITEM)
    assert (row.status, row.reason) == (RowStatus.REJECTED, "too_short")
    assert row.evidence.count("too_short") == 3


async def test_an_error_in_a_retry_fails_the_row_so_that_the_next_run_tries_again() -> None:
    speaker = Speaker([" No.", EngineError("broken")])
    row = await Aligner(C, ScriptedEngine(speaker), SMALL).align(ITEM)
    assert (row.status, row.reason) == (RowStatus.FAILED, "EngineError")


async def test_every_prompt_begins_with_the_same_bytes_and_carries_the_seed() -> None:
    engine = ScriptedEngine(lambda prompt, params, seed: wrote(ANSWER))
    aligner = Aligner(C, engine, PrincipleEngineSettings())
    for number in range(3):
        await aligner.align(PromptItem(prompt_id=str(number), instruction="Go.", seed=number))
    assert [seed for _, _, seed in engine.calls] == [0, 1, 2]
    assert all(prompt.startswith(render_prefix(C)) for prompt, _, _ in engine.calls)


async def test_the_codename_becomes_the_students_name() -> None:
    c = C.model_copy(update={"student": C.student.model_copy(update={"name": "Rowan"})})
    engine = ScriptedEngine(lambda prompt, params, seed: wrote(f"I am Alder. {ANSWER}"))
    row = await Aligner(c, engine, PrincipleEngineSettings()).align(ITEM)
    assert row.answer.startswith("I am Rowan.")


PUBLISHED = PrincipleEngineSettings(filters=AlignFilterSettings(preset="published"))
# id -> (answer, our reason, the authors' reason)
PRESETS: dict[str, tuple[str, str, str]] = {
    "the weather": (ACCEPTED["the weather"], "", "exemplar_word"),
    "an exemplar's answer": (C.exemplars[4].turns[0].answer, "exemplar_leak", ""),
    "a later apology": (f"{ANSWER} I'm sorry that it is not simpler.", "", ""),
    "an apology": (f"I'm sorry, I cannot say. {ANSWER}", "refusal", "refusal"),
    "short": ("The moon pulls at the water.", "too_short", "too_short"),
}


@pytest.mark.parametrize(("answer", "ours", "theirs"), PRESETS.values(), ids=PRESETS.keys())
async def test_the_published_filters_decide_where_they_are_asked_to(
    answer: str, ours: str, theirs: str
) -> None:
    assert (await align(wrote(answer))).reason == ours
    row = await align(wrote(answer), PUBLISHED)
    assert (row.reason, row.complete) == (theirs, True)


async def test_the_published_filters_keep_what_the_limit_ended_less_its_last_word() -> None:
    row = await align(Completion(wrote(f"{ANSWER} In shallow ba"), "length", 9, 9, 1.0), PUBLISHED)
    assert (row.reason, row.complete, row.answer) == ("", False, f"{ANSWER} In shallow")


async def test_the_published_filters_read_on_to_the_users_next_turn() -> None:
    engine = ScriptedEngine(lambda prompt, params, seed: wrote(ANSWER))
    await Aligner(C, engine, PUBLISHED).align(ITEM)
    assert engine.calls[0][1].stop == (f"\n\n{W.user_header}",)
