"""`preset: published` decides as the authors' scripts do, on completions of a real small model.

published_verdicts.jsonl holds what SmolLM2-135M-Instruct wrote under our own constitution with the
published headers, and what the authors' scripts (branch dromedary_v1) kept of it: the digest of the
kept text, or null. Where the scripts are at hand they are run again, on made-up edge cases too.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from selfalign.constitution.schema import Constitution, MetaPrompt
from selfalign.constitution.yaml_file import load_constitution
from selfalign.filters.published import (
    ALIGN_DELIMITERS,
    EXEMPLAR_WORDS,
    REFINE_DELIMITERS,
    Judged,
    cut_at_first_repeat,
)
from selfalign.filters.published_texts import (
    LEAKING,
    SOURCE_LEAD,
    ExemplarText,
    leaking_texts,
)
from selfalign.inference.contract.engine import Completion, FinishReason
from selfalign.principle_engine.published_align import PublishedAlignFilter
from selfalign.refiner.published_refine import PublishedRefineFilter
from selfalign.storage.rows import PromptItem
from support.published_filters import published_constitution, published_outputs
from support.published_wording import OPENING, with_published_wording

Row = Mapping[str, str]
RECORDED = [
    json.loads(line)
    for line in Path(__file__).with_name("published_verdicts.jsonl").read_text().splitlines()
]
C = with_published_wording(load_constitution())
# The authors' scripts know their own self-introduction alone, which none of these texts recites.
C = C.model_copy(
    update={"student": C.student.model_copy(update={"verbose": MetaPrompt(overview="None.")})}
)


def judge(stage: str, row: Row, c: Constitution, finish: FinishReason = "length") -> Judged:
    completion = Completion(row["completion"], finish, 0, 0, 0.0)
    if stage == "align":
        return PublishedAlignFilter(c).judge(completion)
    item = PromptItem(prompt_id="", instruction=row["instruction"], input=row["input"])
    return PublishedRefineFilter(c).judge(item, completion)


def kept(stage: str, judged: Judged) -> str | None:
    """The text that the authors' script would write."""
    marker = "\n\n### User\n" if stage == "align" else "\n\n### User"
    end = marker if judged.complete else ""
    return None if judged.rejection else f"{judged.answer}{end}"


def digest(text: str | None) -> str | None:
    return None if text is None else hashlib.sha256(text.encode()).hexdigest()[:16]


@pytest.mark.parametrize("stage", ["align", "refine"])
def test_the_recorded_verdicts(stage: str) -> None:
    rows = [row for row in RECORDED if row["stage"] == stage]
    ours = [digest(kept(stage, judge(stage, row, C))) for row in rows]
    assert ours == [row["kept"] for row in rows]
    # Both verdicts are common enough for the agreement to mean something.
    assert min(sum(one is None for one in ours), sum(one is not None for one in ours)) >= 15


def test_there_are_enough_real_completions() -> None:
    assert Counter(row["stage"] for row in RECORDED)["align"] >= 100


@pytest.mark.parametrize("stage", ["align", "refine"])
def test_the_scripts_themselves(
    stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    c = published_constitution()
    rows = [row for row in RECORDED if row["stage"] == stage] + list(edge_cases(stage, c))
    theirs = published_outputs(stage, rows, tmp_path, monkeypatch)
    for row, expected in zip(rows, theirs, strict=True):
        assert kept(stage, judge(stage, row, c)) == expected, row["completion"]


PLAIN = (
    "The moon pulls on the water that faces it. Two bulges form, and the earth turns beneath them; "
    "most coasts see two high waters a day. How high they get depends on the shape of the shore."
)
NEXT = {"align": "\n\nUser: And then?", "refine": "\n\n### User\nAnd then?"}
TEXTS = (
    PLAIN,
    f"I'm sorry. {PLAIN}",
    f"I am sorry, but {PLAIN}",
    f"He said I'm sorry. {PLAIN}",
    "Sea",
    "",
    f"{PLAIN} The moon pulls on the water that faces it. More.",
    f"{PLAIN}\n\n1. a, b, c, a, b",
    f"Watson says: {PLAIN}",
    f"{PLAIN}\n" + "\n".join(f"{n}. Step {n}" for n in range(1, 16)),
    f"{PLAIN}\n\n## See also\n\nSea",
    f"{PLAIN}\n\n## External links",
    f"Dromedary (extensive) knows. {PLAIN}",
    f"`a` and `a` {PLAIN}",
    f"{PLAIN} User: me",
    "Good job! Clear context " + PLAIN,
    f"{PLAIN}\n\nWatson: again",
    "é" * 150,
    f"{PLAIN}\n\nWatson (auto reply): ok",
    f"{PLAIN[:120]}",
    f"{PLAIN[:147]}.",
    f"{PLAIN} ### User",
    f"{PLAIN}\n\nWatson (internal thoughts): hm\n\nWatson: And more of it",
    f"{PLAIN} \n ",
    "!!! ... ,,,",
    *(f"{word} {PLAIN}" for word in EXEMPLAR_WORDS),
    *(f"{PLAIN} {w.upper()}" for w in EXEMPLAR_WORDS),
)


def edge_cases(stage: str, c: Constitution) -> Sequence[Row]:
    """Every text with and without a following turn, and with less of what precedes it.

    Left out: the person's name in a stage-4 answer, at which the authors' script stops with an
    error, and an empty answer, which it keeps.
    """
    introduced = c.student.verbose.turns[0].answer
    exemplars = [turn.answer for _, turn in c.turns()]
    longer = (*leaking_texts(exemplars), SOURCE_LEAD.find(exemplars))
    known = [f"{before}{text} {PLAIN}" for text in longer for before in ("", "Hm. ")]
    known += [f"{PLAIN} {text[1:]}" for text in longer]
    texts = [
        text for text in (*TEXTS, introduced, *known) if not text or text.split()[0] != "Zhiqing"
    ]
    if stage == "align":
        texts += [f"Zhiqing {PLAIN}"]
    answers = [text + end for text in texts for end in ("", NEXT[stage])]
    if stage == "refine":
        answers.remove(NEXT["refine"])
        answers.remove("")
        named = {"instruction": "Who is Zhiqing Sun?", "input": ""}
        return [
            *({"instruction": "Ask.", "input": "", "completion": text} for text in answers),
            {**named, "completion": PLAIN},
            {"instruction": "Who?", "input": "Zhiqing", "completion": f"{PLAIN}{NEXT[stage]}"},
        ]
    thoughts = f" {OPENING} Hm. I should follow rules 3 (helpful)."
    completions = [f"{thoughts}\n\nWatson: {text}" for text in answers]
    completions += [
        thoughts,
        PLAIN,
        f"Hm. {completions[0]}",
        f"{thoughts}\n\nUser: x\n\nWatson: {PLAIN}",
    ]
    return [{"instruction": "Ask.", "input": "", "completion": text} for text in completions]


def test_the_longer_texts_are_in_the_published_constitution() -> None:
    c = published_constitution()
    answers = [turn.answer for _, turn in c.turns()]
    assert len(leaking_texts(answers)) == len(LEAKING)
    lead = SOURCE_LEAD.find(answers)
    assert any(answer.startswith(lead) for answer in answers if lead)
    for text in leaking_texts(answers):
        row = {"completion": f"{OPENING} Hm.\n\nWatson: {PLAIN} {text}{NEXT['align']}"}
        rejection = judge("align", row, c).rejection
        assert rejection is not None
        assert rejection.reason == "exemplar_word"
    led = judge("align", {"completion": f"{OPENING}\n\nWatson: {lead} it is. {PLAIN}"}, c)
    assert led.answer.startswith("Here it is.")


def test_no_longer_text_is_looked_for_under_other_constitutions() -> None:
    answers = [turn.answer for _, turn in C.turns()]
    assert leaking_texts(answers) == ()
    assert SOURCE_LEAD.find(answers) == ""


MADE_UP = ExemplarText(3, hashlib.sha256(b"a small\nsea near").hexdigest()[:16])


@pytest.mark.parametrize(
    ("answers", "found"),
    [
        (["It is a small\nsea near me."], "a small\nsea near"),
        (["a small\nsea near", "a small\nsea near you"], "a small\nsea near"),
        (["a small sea near"], ""),
        (["small"], ""),
        ([""], ""),
        ([], ""),
    ],
)
def test_a_text_is_found_by_its_digest(answers: list[str], found: str) -> None:
    assert MADE_UP.find(answers) == found


CUTS: dict[str, tuple[str, str]] = {
    "a clause again": ("Go on, go. Stop. Stop. Go.", "Go on, go. Stop."),
    "letter for letter": ("a, b, a, c", "a, b, a, c"),
    "with its space": ("x. a, b, a, c", "x. a, b,"),
    "delimiters": ("Wait... what?! No!!", "Wait... what?! No!!"),
    "nothing": ("", ""),
}


@pytest.mark.parametrize(("text", "expected"), CUTS.values(), ids=CUTS.keys())
def test_repeated_clauses_end_an_answer(text: str, expected: str) -> None:
    assert cut_at_first_repeat(text, ALIGN_DELIMITERS) == expected


def test_a_backtick_ends_a_clause_in_stage_4_alone() -> None:
    text = "Run `a` and `b` and `c`."
    assert cut_at_first_repeat(text, REFINE_DELIMITERS) != cut_at_first_repeat(
        text, ALIGN_DELIMITERS
    )


@pytest.mark.parametrize("stage", ["align", "refine"])
def test_what_the_engine_ended_is_complete(stage: str) -> None:
    before = f"{OPENING} Hm.\n\nWatson: " if stage == "align" else ""
    row = {"instruction": "Ask.", "input": "", "completion": before + PLAIN}
    for finish in ("eos_token", "stop_sequence"):
        assert judge(stage, row, C, finish) == Judged(PLAIN, True, None)
    cut = judge(stage, row, C, "length")
    assert (cut.answer, cut.complete) == (PLAIN.rsplit(" ", 1)[0], False)
