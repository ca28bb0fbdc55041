"""Answers that decline are told from those that do not, by labelled answers of our own.

Agreement with the labels before the patterns were mended by their misses: `unseen` 35 of 40; 128
answers of a small model 124 (8 of 11 declining, 116 of 117 others). Now the labelled answers are
all told as their reader did, which is what the test holds; the next unseen ones will not all be.
"""

from pathlib import Path
from time import perf_counter

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from selfalign.filters.declining import declines

LABELLED = yaml.safe_load(Path(__file__).with_name("declining_answers.yaml").read_text())
CASES = [
    (verdict == "declines", text)
    for verdicts in LABELLED.values()
    for verdict, texts in verdicts.items()
    for text in texts
]


@pytest.mark.parametrize(("declined", "text"), CASES)
def test_labelled_answers(declined: bool, text: str) -> None:
    assert (declines(text) is not None) == declined


def test_there_are_enough_labels_of_either_kind() -> None:
    declined = sum(declined for declined, _ in CASES)
    assert declined >= 30
    assert len(CASES) - declined >= 30


def test_the_words_are_given() -> None:
    assert declines("That's risky. I’m unable to help with it.") == "i am unable to help"


def test_what_comes_late_is_no_declining() -> None:
    before = "The sea is wide. It is cold. It is green. It moves. "
    assert declines(f"{before}I cannot help with that.") is None


@pytest.mark.parametrize("words", ["i cannot help. however x ", "this request is harmful ", "'a"])
def test_long_answers_take_no_longer(words: str) -> None:
    start = perf_counter()
    declines(words * 20_000)
    assert perf_counter() - start < 2


@given(st.text(max_size=300))
def test_any_text_has_a_verdict(text: str) -> None:
    found = declines(text)
    assert found is None or found.strip() == found != ""
