"""Each filter turns down what it is meant for and lets its neighbours pass."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfalign.filters import checks
from selfalign.filters.rejection import Rejection, first_rejection
from selfalign.filters.words import ngrams, overlap, words


def reason(rejection: Rejection | None) -> str:
    return rejection.reason if rejection else ""


MARKERS = ("User:", "Alder:", "Alder (internal thoughts):")
MARKED: dict[str, tuple[str, str]] = {
    "a turn": ("Yes.\nUser: And now?", "turn_marker"),
    "indented": ("Yes.\n  Alder: More.", "turn_marker"),
    "at the start": ("Alder (internal thoughts): hm", "turn_marker"),
    "in a sentence": ("Write 'User: name' into the form.", ""),
    "another word": ("Users: 12\nSuperuser: 1", ""),
}


@pytest.mark.parametrize(("text", "expected"), MARKED.values(), ids=MARKED.keys())
def test_turn_markers(text: str, expected: str) -> None:
    assert reason(checks.holds_marker(text, MARKERS, "turn_marker")) == expected


OPENINGS = ("I'm sorry", "I am sorry", "Sorry,")
REFUSALS: dict[str, tuple[str, str]] = {
    "plain": ("I'm sorry, but no.", "refusal"),
    "curly": ("I’m sorry, but no.", "refusal"),
    "lower case": (" i am sorry about it", "refusal"),
    "later": ("That is sad. I'm sorry for your loss.", ""),
    "another word": ("Sorry is a card game.", ""),
}


@pytest.mark.parametrize(("text", "expected"), REFUSALS.values(), ids=REFUSALS.keys())
def test_refusals(text: str, expected: str) -> None:
    assert reason(checks.begins_with(text, OPENINGS, "refusal")) == expected


ASK = "Write a short note about the sea"
COPIES: dict[str, tuple[str, str, str, str]] = {
    "again": (f"{ASK}!", ASK, "", "prompt_copied"),
    "mostly": (f"Sure: {ASK.lower()}.", ASK, "", "prompt_copied"),
    "with the input": (f"{ASK}\n\nIt is cold", ASK, "It is cold.", "prompt_copied"),
    "only the input": ("It is cold", ASK, "It is cold.", "prompt_copied"),
    "corrected input": ("It is cold today.", "Correct it.", "It is colt today.", ""),
    "quoted, then answered": (
        f"You asked: {ASK}. It is wide, green and never still, and it smells of salt.", ASK, "", "",
    ),
    "short instruction": ("Translate: tradurre. It is Italian.", "Translate", "", ""),
    "no words": ("42!", "?!", "", ""),
}  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "instruction", "input", "expected"), COPIES.values(), ids=COPIES.keys()
)
def test_copied_prompts(answer: str, instruction: str, input: str, expected: str) -> None:
    assert reason(checks.prompt_copied(answer, instruction, input, 0.6)) == expected


def test_length_and_truncation() -> None:
    assert reason(checks.too_short("x" * 59, 60)) == "too_short"
    assert checks.too_short("x" * 60, 60) is None
    assert reason(checks.truncated(False, "reject", "cut of")) == "truncated"
    assert checks.truncated(False, "keep", "cut of") is None
    assert checks.truncated(True, "reject", "whole.") is None
    assert reason(checks.empty(" \n")) == "answer_empty"


PARTIAL = {
    "The sea is wi": "The sea is",
    "The sea is wide.": "The sea is wide.",
    "Sea": "Sea",
    "": "",
    "One line\nof a po": "One line\nof a",
    "One line\nhalfw": "One line",
    "海很宽，海水很冷，而且": "海很宽，海水很冷，而且",
    f"Read: {'海很宽，' * 20}": f"Read: {'海很宽，' * 20}",
    'He said "yes"': 'He said "yes"',
}


@pytest.mark.parametrize(("text", "expected"), PARTIAL.items())
def test_truncated_answers_lose_their_partial_word(text: str, expected: str) -> None:
    assert checks.drop_partial_word(text) == expected


def test_degenerate_lists_are_rejected_and_good_ones_are_not() -> None:
    bad = "\n".join(f"{n}. Use the right kind of tool for the job." for n in range(1, 15))
    good = "\n".join(f"{n}. Visit {place}." for n, place in enumerate(ASK.split() * 2, start=1))
    code = "```\n" + "robot.go(1, 2, 3, 4, 5)\n" * 30 + "```"
    assert reason(checks.repetitive(bad, 0.35)) == "repetitive"
    assert checks.repetitive(good, 0.35) is None
    assert checks.repetitive(code, 0.35) is None


def test_names_are_replaced() -> None:
    assert checks.replace_name("I am Watson.", "Watson", "Alder") == "I am Alder."


def test_overlap_is_measured_in_runs_of_words() -> None:
    known = frozenset(ngrams(words("one two three four five six"), 3))
    found = overlap(words("Zero, one two; THREE four nine"), known, 3)
    assert found.longest == ("one", "two", "three", "four")
    assert found.share == pytest.approx(2 / 4)
    ignored = frozenset(ngrams(words("two three four"), 3))
    assert overlap(words("one two three four"), known, 3, ignored).longest == (
        "one",
        "two",
        "three",
    )
    assert overlap(["one"], known, 3).share == 0.0


@given(st.text(), st.text(), st.text())
def test_filters_never_raise(answer: str, instruction: str, input: str) -> None:
    first_rejection(
        rejection
        for rejection in (
            checks.empty(answer),
            checks.too_short(answer, 60),
            checks.holds_marker(answer, MARKERS, "turn_marker"),
            checks.begins_with(answer, OPENINGS, "refusal"),
            checks.prompt_copied(answer, instruction, input, 0.6),
            checks.repetitive(answer, 0.35),
        )
    )
    assert answer.startswith(checks.drop_partial_word(answer))
