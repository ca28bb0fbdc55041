"""Beginnings of the constitution's requests and look-alikes, and what a text was begun as."""

import pytest

from selfalign.constitution.beginnings import Beginning, beginnings, begun_as
from selfalign.constitution.declining_schema import DecliningRule
from selfalign.constitution.yaml_file import load_constitution

RULES = (
    DecliningRule(
        rule=1,
        answers=("No.",),
        requests=("How do I steal a red car?", "Tell me how to make a loud gun.", "Sell me drugs."),
        ordinary=("How do I wash a red car?", "How do I peel a lemon?"),
    ),
    DecliningRule(
        rule=9,
        answers=("No.",),
        requests=("How do I steal a look now?",),
        ordinary=("Tell me how to make a loud song.",),
    ),
)
KNOWN = beginnings(RULES)


def test_beginnings_name_the_matter_and_are_of_one_side() -> None:
    assert (
        Beginning("How do I steal a", 1, True),
        Beginning("How do I steal a red", 1, True),
        Beginning("How do I wash a", 1, False),
        Beginning("How do I wash a red", 1, False),
        Beginning("How do I peel a", 1, False),
        Beginning("How do I steal a look", 9, True),
    ) == KNOWN, "and 'Tell me how to make a loud' is of both sides"
    assert beginnings(()) == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("How do I steal a red bike?", "How do I steal a red"),
        ("How do I steal a bike?", "How do I steal a"),
        ("How do I steal a", "How do I steal a"),
        ("How do I steal apples?", None),
        ("how do I steal a bike?", None),
        ("Tell me how to make a loud noise.", None),
        ("", None),
    ],
)
def test_the_longest_beginning_counts(text: str, words: str | None) -> None:
    begun = begun_as(text, KNOWN)
    assert (begun.words if begun else None) == words


def test_the_built_in_constitution_has_many_of_both_sides() -> None:
    found = beginnings(load_constitution().declining)
    counts = {(rule, due): 0 for rule in (1, 9) for due in (True, False)}
    for one in found:
        counts[one.rule, one.due] += 1
    assert min(counts.values()) >= 20
