"""Stop sequences and finish reasons."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfalign.inference.texts import cut_at_stop, finish_reason, matching_logprob

LETTERS = st.text(alphabet="ab#\n", max_size=30)
STOPS = st.lists(st.text(alphabet="ab#\n", min_size=1, max_size=3), max_size=6)


@given(LETTERS, STOPS)
def test_cut_is_the_longest_beginning_before_any_stop(text: str, stops: list[str]) -> None:
    kept, cut = cut_at_stop(text, stops)
    starts = [text.find(stop) for stop in stops if stop in text]
    assert kept == text[: min(starts, default=len(text))]
    assert cut == bool(starts)


@pytest.mark.parametrize(
    ("reported", "cut", "tokens", "stop_reported", "expected"),
    [
        ("length", False, 10, False, "length"),
        ("length", True, 10, True, "stop_sequence"),
        ("eos_token", False, 3, True, "eos_token"),
        ("eos_token", True, 3, True, "stop_sequence"),
        ("stop_sequence", False, 3, True, "stop_sequence"),
        ("stop", False, 3, False, "eos_token"),
        ("stop", False, 3, True, "stop_sequence"),
        (None, False, 10, False, "length"),
        ("", False, 3, False, "eos_token"),
    ],
)
def test_reasons(
    reported: str | None, cut: bool, tokens: int, stop_reported: bool, expected: str
) -> None:
    reason = finish_reason(
        reported, cut=cut, tokens=tokens, max_new_tokens=10, stop_reported=stop_reported
    )
    assert reason == expected


@pytest.mark.parametrize(
    ("candidate", "expected"), [(" A", -1.0), ("A", -2.0), (" B", -3.0), ("C", None)]
)
def test_candidates_match_exactly_first(candidate: str, expected: float | None) -> None:
    assert matching_logprob(candidate, {" A": -1.0, "A": -2.0, "B": -3.0}) == expected
