"""Stop sequences, finish reasons and candidates."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfalign.inference.contract.engine import FinishReason
from selfalign.inference.contract.normalize import cut_at_stop, finish_reason, matching_logprob
from selfalign.inference.streams.stops import StopCutter

LETTERS = st.text(alphabet="ab#\n", max_size=30)
STOPS = st.lists(st.text(alphabet="ab#\n", min_size=1, max_size=3), max_size=6)


@given(LETTERS, STOPS)
def test_cut_is_the_longest_beginning_before_any_stop(text: str, stops: list[str]) -> None:
    kept, cut = cut_at_stop(text, stops)
    starts = [text.find(stop) for stop in stops if stop in text]
    assert kept == text[: min(starts, default=len(text))]
    assert cut == bool(starts)


@given(st.lists(st.text(alphabet="ab#\n", max_size=4), max_size=12), STOPS)
def test_a_text_in_pieces_is_cut_as_the_whole(pieces: list[str], stops: list[str]) -> None:
    cutter, shown = StopCutter(stops), ""
    for piece in pieces:
        if cutter.stopped:
            break
        shown += cutter.feed(piece)
    shown += cutter.flush()
    assert (shown, cutter.stopped) == cut_at_stop("".join(pieces), stops)


def test_only_what_may_become_a_stop_is_held_back() -> None:
    cutter = StopCutter(["\n\nUser:"])
    pieces = ("Hello.", "\n", "\nUs", "ually", "\n\nUser:")
    assert [cutter.feed(piece) for piece in pieces] == ["Hello.", "", "", "\n\nUsually", ""]
    assert (cutter.flush(), cutter.stopped) == ("", True)


@pytest.mark.parametrize(
    ("reported", "cut", "tokens", "expected"),
    [
        ("length", False, 10, "length"),
        ("length", True, 10, "stop_sequence"),
        ("eos_token", False, 3, "eos_token"),
        ("eos_token", True, 3, "stop_sequence"),
        ("stop_sequence", False, 3, "stop_sequence"),
        (None, False, 10, "length"),
        (None, False, 3, "eos_token"),
        # Nothing says that it is whole.
        (None, False, 0, "length"),
    ],
)
def test_reasons(
    reported: FinishReason | None, cut: bool, tokens: int, expected: FinishReason
) -> None:
    assert finish_reason(reported, cut=cut, tokens=tokens, max_new_tokens=10) == expected


@pytest.mark.parametrize(
    ("candidate", "expected"), [(" A", -1.0), ("A", -2.0), (" B", -3.0), ("C", None)]
)
def test_candidates_match_exactly_first(candidate: str, expected: float | None) -> None:
    assert matching_logprob(candidate, {" A": -1.0, "A": -2.0, "B": -3.0}) == expected
