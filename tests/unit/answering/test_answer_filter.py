"""Every filter of form turns down what it is meant for and lets its neighbours pass."""

import pytest

from selfalign.answering.answer_filter import AnswerFilter
from selfalign.constitution.yaml_file import load_constitution
from selfalign.filters.form_settings import FormFilterSettings
from selfalign.filters.rejection import first_rejection

C = load_constitution()
FILTER = AnswerFilter(C, FormFilterSettings())
ASK = "How do tides work?"
GOOD = (
    "The moon pulls on the water that faces it more strongly than on the water far away, so that "
    "two bulges form. As the earth turns beneath them, most coasts see two high waters a day."
)
LINE = "Rinse the brush in cold water until it runs clear."
STANZA = "Row the boat across the bay,\nrow it home before the day."
USER = C.exemplars[0].turns[0].user
REPLY = f"{C.wording.clear_context} {C.exemplars[0].auto_reply}"
INPUT = "the ship have left harbour, before dawn it was cold"

# id -> (instruction, input, answer, reason; empty where it passes)
CASES: dict[str, tuple[str, str, str, str]] = {
    "good": (ASK, "", GOOD, ""),
    "an exemplar's user turn": (ASK, "", f"{GOOD} {USER}", "exemplar_turn"),
    "a reply that clears": (ASK, "", f"{GOOD}\n\n{REPLY}", "exemplar_turn"),
    "half a user turn": (ASK, "", f"{GOOD} {' '.join(USER.split()[:9])}?", "exemplar_turn"),
    "a few of its words": (ASK, "", f"{GOOD} {' '.join(USER.split()[:4])}.", ""),
    "the user said it": (USER, "", f"You ask: {USER} {GOOD}", ""),
    "a short courtesy": (ASK, "", f"{GOOD} You're welcome.", ""),
    "an item twice": (ASK, "", f"Do this:\n- {LINE}\n- Dry it.\n- {LINE}", "part_repeated"),
    "numbers differ": (ASK, "", f"1. {LINE}\n2. Dry it.\n3. {LINE}", "part_repeated"),
    "a paragraph twice": (ASK, "", f"{LINE}\n\nDry it well.\n\n{LINE.upper()}", "part_repeated"),
    "short items": (ASK, "", "- Run.\n- Rest for a day.\n- Swim.\n- Rest for a day.", ""),
    "a refrain": ("Write a song.", "", f"{STANZA}\n\nThe gulls are out.\n\n{STANZA}", ""),
    "code twice": (ASK, "", f"```\n- {LINE}\n\n- {LINE}\n```\nThat is all.", ""),
    "like items": (ASK, "", f"- {LINE}\n- {LINE.replace('brush', 'roller')}", ""),
    "input unchanged": ("Correct it.", INPUT, f"Here you are: {INPUT}", "input_copied"),
    "input over lines": ("Correct it.", INPUT, INPUT.replace(",", ",\n") + " Ok.", "input_copied"),
    "input corrected": ("Correct it.", INPUT, "The ship had left the harbour before dawn.", ""),
    "input continued": ("Go on.", INPUT, f"{INPUT} and the crew was asleep below.", ""),
    "input quoted": ("Explain it.", INPUT, f"'{INPUT}' means that {GOOD}", ""),
    "short input": ("Say it.", "good day", "Good day is what you say.", ""),
    "other script": (ASK, "", "Луна притягивает воду, поэтому возникает прилив.", "other_language"),
    "other language": (
        ASK, "", "La luna tira del agua que está más cerca, y por eso la marea sube en la costa.",
        "other_language",
    ),
    "asked in it": (
        "¿Cómo funciona la marea en el mar?", "",
        "La luna tira del agua que está más cerca, y por eso la marea sube en la costa.", "",
    ),
    "a translation": ("Translate: the tide", "", "Das ist die Flut, und sie kommt oft.", ""),
    "a language named": ("Greet me in Greek.", "", "Καλημέρα σας, χαίρομαι που σας βλέπω!", ""),
    "a foreign word": (ASK, "", f"{GOOD} Russians call the tide прилив.", ""),
    "an address": (ASK, "", "- https://docs.example.com/en/latest/de/la/se/o.html, in en/en.", ""),
    "a formula": (ASK, "", "F = G · m · M / r², and α, β, γ are angles of the three bodies.", ""),
    "according to a rule": (ASK, "", f"According to principle 3: {GOOD}", "rules_cited"),
    "following a rule": (ASK, "", f"{GOOD} This follows rule 7 (candor).", "rules_cited"),
    "a rule says": (ASK, "", f"{GOOD} Guideline #5 says so.", "rules_cited"),
    "a citation": (ASK, "", f"{GOOD} That is 3 (helpful).", "rules_cited"),
    "rules were asked for": ("What is rule 7 of chess?", "", f"According to rule 7, {GOOD}", ""),
    "another's rules": (ASK, "", f"{GOOD} By rule 3 of the harbour, boats wait.", ""),
    "a list of rules": (ASK, "", f"Rule 1: watch the moon.\nRule 2: {GOOD}", ""),
    "its name": (ASK, "", f"Hello! I'm {C.student.name}. {GOOD}", "introduces_itself"),
    "its kind": (ASK, "", f"I am an AI language model. {GOOD}", "introduces_itself"),
    "as a": (ASK, "", f"As a helpful, honest AI assistant, I explain. {GOOD}", "introduces_itself"),
    "its meta prompt": (
        ASK, "", C.student.standard.turns[0].answer.split(". ", 1)[1], "introduces_itself",
    ),
    "who is asked": ("Who are you?", "", f"I'm {C.student.name}, an AI assistant. {GOOD}", ""),
    "declining": (ASK, "", "As an AI assistant, I cannot see the water today.", ""),
    "another assistant": (ASK, "", f"I am an assistant professor of geology. {GOOD}", ""),
    "later": (ASK, "", f"{GOOD} I am an AI, so ask a fisherman too.", ""),
    "a heading": (ASK, "", f"{GOOD}\n\n{C.student.user_heading}\nAnd then?", "header_leak"),
    "a section": (ASK, "", f"{GOOD}\n\n## See also\n\nThe moon.", "section_heading"),
    "the overview": (ASK, "", C.student.verbose.overview[:150], "meta_leak"),
    "the prompt": (ASK, "", "How do tides work.", "prompt_copied"),
    "an escape": (ASK, "", f"{GOOD} \x1b]52;c;cm0=\x07", "control_characters"),
    "a NUL": (ASK, "", f"{GOOD}\x00", "control_characters"),
    "announcing": (ASK, "", f"{GOOD} The reasons are these:", "unfinished"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("instruction", "input", "answer", "reason"), CASES.values(), ids=CASES.keys()
)
def test_filters_of_form(instruction: str, input: str, answer: str, reason: str) -> None:
    found = first_rejection(FILTER.objections(instruction, input, answer))
    assert (found.reason if found else "") == reason
    assert FILTER.passes(instruction, input, answer, complete=True) == (reason == "")
    if found:
        assert found.evidence


SWITCHES: dict[str, dict[str, object]] = {
    "exemplar_turn": {"exemplar_turn_run": 0},
    "part_repeated": {"repeated_parts": False},
    "input_copied": {"input_copy_share": 1},
    "other_language": {"other_language": False},
    "rules_cited": {"rules_cited": False},
    "introduces_itself": {"introductions": False, "introduction_run": 0},
    "prompt_copied": {"prompt_copy_share": 1},
    "header_leak": {"header_leak": False},
    "section_heading": {"section_headings": []},
    "meta_leak": {"meta_leak_run": 0},
    "unfinished": {"unfinished": False},
    "control_characters": {"control_characters": False},
}


@pytest.mark.parametrize("reason", SWITCHES)
def test_every_filter_has_its_switch(reason: str) -> None:
    off = AnswerFilter(C, FormFilterSettings.model_validate(SWITCHES[reason]))
    for instruction, input, answer, expected in CASES.values():
        if expected == reason:
            assert first_rejection(off.objections(instruction, input, answer)) is None


def test_an_answer_as_written_is_also_judged_by_what_a_stage_would_mend() -> None:
    loop = f"{GOOD}{' The sea rises and the sea falls again every day.' * 3}"
    assert first_rejection(FILTER.objections(ASK, "", loop)) is None
    reasons = {
        name: [one.reason for one in FILTER.all_objections(ASK, "", answer, complete=complete)]
        for name, answer, complete in (
            ("loop", loop, True), ("cut", GOOD[:90], False), ("both", loop, False),
            ("good", GOOD, True), ("empty", " ", True),
        )
    }  # fmt: skip
    assert reasons == {
        "loop": ["loop"], "cut": ["truncated"], "both": ["truncated", "loop"], "good": [],
        "empty": ["answer_empty"],
    }  # fmt: skip
    assert not FILTER.passes(ASK, "", GOOD, complete=False)
