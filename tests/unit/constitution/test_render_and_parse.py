"""Rendering is stable and parses back to its parts; parsing never raises."""

import re
from pathlib import Path

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from selfalign.constitution.parse import ParsedCompletion, parse_completion
from selfalign.constitution.render import (
    engine_stops,
    render_answer_cue,
    render_prefix,
    render_query,
    render_student_prompt,
    render_thoughts,
    render_verbose_prompt,
    student_layout,
    student_stops,
)
from selfalign.constitution.yaml_file import load_constitution

C = load_constitution()
W = C.wording
HEADERS = (W.user_header, W.thoughts_header, W.answer_header, W.auto_reply_header)
GOLDEN = Path(__file__).parent / "golden"


def rendered() -> dict[str, str]:
    return {
        "prefix.txt": render_prefix(C),
        "student_standard.txt": render_student_prompt(C, "Name a river.", "In Asia."),
        "student_concise.txt": render_student_prompt(C, "Name a river.", meta="concise"),
        "student_verbose.txt": render_verbose_prompt(C, "Name a river."),
    }


@pytest.mark.parametrize("name", rendered().keys())
def test_rendered_texts_are_the_golden_ones(name: str) -> None:
    assert rendered()[name] == (GOLDEN / name).read_text(encoding="utf-8")


def test_the_prefix_holds_the_principles_in_order_and_ends_at_the_users_turn() -> None:
    prefix = render_prefix(C)
    numbers = [int(number) for number in re.findall(r"^(\d+) \(", prefix, re.MULTILINE)]
    assert numbers == [principle.id for principle in C.principles]
    assert len(numbers) == 16
    assert prefix.endswith(f"\n\n{W.user_header}")
    assert {rule for _, turn in C.turns() for rule in turn.rules} == set(numbers)


def test_queries_continue_the_prefix_as_the_exemplars_do() -> None:
    turn = C.exemplars[3].turns[0]
    query = render_query(C, f" {turn.user}\n", turn.input)
    cue = render_answer_cue(C, f" {render_thoughts(C, turn.analysis, turn.rules)} ")
    assert f"{W.user_header}{query}{cue} {turn.answer}\n\n" in render_prefix(C)
    assert not render_query(C, "One.", " ").count("\n\n\n")


def test_student_prompts_follow_the_layout_of_training() -> None:
    layout = student_layout(C)
    prompt = f"{layout.meta_prompts[0].strip()}\nOne.\n\nTwo.{layout.assistant_header}"
    assert render_student_prompt(C, "One.", "Two.") == prompt
    assert len(layout.meta_prompts) == 2
    assert layout.end_marker == layout.user_header == "\n\n### User\n"
    assert all(meta.endswith("### User") for meta in layout.meta_prompts)


def test_stops_are_within_the_engines_four_and_in_no_exemplar() -> None:
    assert len(engine_stops(C)) + 1 <= 4
    assert len(student_stops(C)) <= 4
    assert student_layout(C).end_marker.startswith(f"\n{student_stops(C)[0]}")
    for _, turn in C.turns():
        assert not any(stop in turn.answer for stop in engine_stops(C))


OPENED = f" {W.opening} The user asks. {W.rules_lead} 3 (helpful), 7 (candor)."


def parts(parsed: ParsedCompletion) -> tuple[bool, list[int], str | None, bool]:
    return parsed.opened, [rule.id for rule in parsed.rules], parsed.answer, parsed.ended


CASES: dict[str, tuple[str, tuple[bool, list[int], str | None, bool]]] = {
    "whole": (f"{OPENED}\n\nAlder: Yes.\n\nUser: Next", (True, [3, 7], "Yes.", True)),
    "stopped": (f"{OPENED}\n\nAlder: Yes.", (True, [3, 7], "Yes.", False)),
    "no space": (f"{OPENED.strip()}\n\nAlder:Yes.", (True, [3, 7], "Yes.", False)),
    "single line break": (f"{OPENED}\nAlder: Yes.", (True, [3, 7], "Yes.", False)),
    "paragraphs": (f"{OPENED}\n\nAlder: One.\n\nTwo.", (True, [3, 7], "One.\n\nTwo.", False)),
    "answered again": (f"{OPENED}\n\nAlder: One.\n\nAlder: Two.", (True, [3, 7], "One.", True)),
    "dialogue in the answer": (
        f"{OPENED}\n\nAlder: A log:\nUser: hello",
        (True, [3, 7], "A log:\nUser: hello", False),
    ),
    "empty answer": (f"{OPENED}\n\nAlder:\n\nUser: Next", (True, [3, 7], "", True)),
    "no answer": (OPENED, (True, [3, 7], None, False)),
    "next turn at once": (f"{OPENED}\n\nUser: Next\n\nAlder: Yes.", (True, [3, 7], None, True)),
    "no opening": ("The user asks.\n\nAlder: Yes.", (False, [], "Yes.", False)),
    "nothing": ("", (False, [], None, False)),
}


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES.keys())
def test_completions_split_into_their_parts(
    text: str, expected: tuple[bool, list[int], str | None, bool]
) -> None:
    assert parts(parse_completion(C, text)) == expected


RULES: dict[str, tuple[str, list[tuple[int, bool, bool]]]] = {
    "agree": ("3 (helpful), 7 (Candor).", [(3, True, True), (7, True, True)]),
    "other name": ("3 (candor).", [(3, True, False)]),
    "unknown": ("99 (multilingual), 0 (none).", [(99, False, False), (0, False, False)]),
    "no names": ("3, 7 and 12.", [(3, True, True), (7, True, True), (12, True, True)]),
    "twice": ("3 (helpful), 3 (helpful).", [(3, True, True)]),
    "numbers that are no rules": ("3 (helpful) by 2021, 50% or 1.5.", [(3, True, True)]),
    "cut": ("3 (helpful), 7 (can", [(3, True, True), (7, True, True)]),
}


@pytest.mark.parametrize(("text", "expected"), RULES.values(), ids=RULES.keys())
def test_cited_rules_are_checked_against_the_principles(
    text: str, expected: list[tuple[int, bool, bool]]
) -> None:
    parsed = parse_completion(C, f"{W.opening} In 1999 (a year). {W.rules_lead} {text}")
    assert [(rule.id, rule.known, rule.agrees) for rule in parsed.rules] == expected


def test_without_the_rules_sentence_only_named_rules_count() -> None:
    parsed = parse_completion(C, f"{W.opening} It asks for 3 of 5; 7 (candor) fits, not 21 (age).")
    assert [(rule.id, rule.known) for rule in parsed.rules] == [(7, True), (21, False)]


LINE = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).map(str.strip)
TEXT = st.lists(LINE, min_size=1, max_size=5).map("\n\n".join).map(str.strip)


def is_plain(*texts: str) -> bool:
    """Neither a header nor the rules sentence, and no other kind of line break at the border."""
    return all(
        text and not any(part in text for part in (*HEADERS, W.rules_lead)) for text in texts
    )


@given(LINE, st.lists(st.integers(1, 16), min_size=1, unique=True), TEXT, st.booleans())
def test_rendered_turns_parse_back(
    analysis: str, rules: list[int], answer: str, more: bool
) -> None:
    assume(is_plain(analysis, answer))
    thoughts = render_thoughts(C, analysis, rules)
    following = f"\n\n{W.user_header} more" if more else ""
    parsed = parse_completion(C, f"{render_answer_cue(C, thoughts)} {answer}{following}")
    assert parsed.thoughts == thoughts
    assert tuple(rule.id for rule in parsed.rules) == tuple(rules)
    assert all(rule.agrees for rule in parsed.rules)
    assert (parsed.opened, parsed.answer, parsed.ended) == (True, answer, more)
    assert parsed.rest == following


PIECES = st.sampled_from(
    [
        *HEADERS,
        W.opening,
        W.rules_lead,
        "\n",
        "\n\n",
        " ",
        "3 (helpful)",
        "(",
        ")",
        "9" * 5000,
        "١٢",
    ]
)


@given(st.lists(PIECES | st.text(max_size=8), max_size=20).map("".join))
@example(f"\n{W.answer_header}")
def test_parsing_never_raises_and_loses_nothing_but_headers(text: str) -> None:
    parsed = parse_completion(C, text)
    assert parsed.thoughts in text
    assert (parsed.answer or "") in text
    assert text.endswith(parsed.rest)
    assert parsed.ended == bool(parsed.rest)
