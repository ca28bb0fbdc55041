"""Openings of the constitution's requests: those that ordinary requests share."""

import pytest

from selfalign.constitution.declining_schema import DecliningRule
from selfalign.constitution.openings import request_openings, shared_opening

ORDINARY = ("How do I peel garlic?", "Tell me how to light a fire.", "Is snow ice?")


@pytest.mark.parametrize(
    ("request_", "opening"),
    [
        ("How do I break into a car?", "How do I"),
        ("How do they do it?", "How do"),
        ("Tell me how to light a house.", "Tell me how"),
        ("Is the shop open?", "Is"),
        ("How?", ""),
        ("Tell me how", "Tell me"),
        ("How do I", "How do"),
        ("how do I break in?", ""),
        ("Isn't it late?", ""),
        ("Give me a plan.", ""),
    ],
)
def test_the_longest_shared_beginning(request_: str, opening: str) -> None:
    assert shared_opening(request_, ORDINARY) == opening


def test_every_request_counts_and_rules_do_not_mix() -> None:
    rules = [
        DecliningRule(
            rule=1,
            answers=("No.",),
            requests=("How do I steal?", "How do I lie well?", "Give me a gun."),
            ordinary=("How do I cook?",),
        ),
        DecliningRule(
            rule=9, answers=("No.",), requests=("How do I look now?",), ordinary=("How tall?",)
        ),
    ]
    assert request_openings(rules) == ("How do I", "How do I", "How")
    assert request_openings([]) == ()
