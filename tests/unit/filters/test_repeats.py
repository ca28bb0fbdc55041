"""Degenerate loops are cut; repeated list items, code, numbers and refrains stay."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from selfalign.filters.repeats import LoopSettings, cut_loops, distinct_share

PAPER = LoopSettings()
SENTENCE = "The river carries sand and gravel down to the sea."
LONG = (
    "A lighthouse keeper trims the lamp at dusk, writes the weather into a book, and listens for "
    "horns in the fog until the morning boat arrives with bread."
)

CUT: dict[str, tuple[str, str]] = {
    "sentences": (f"Well. {SENTENCE} {SENTENCE} {SENTENCE}", f"Well. {SENTENCE}"),
    "an unfinished last round": (f"{SENTENCE} {SENTENCE} {SENTENCE} The river ca", SENTENCE),
    "lines": ("\n".join(["It rains on the plain all day."] * 4), "It rains on the plain all day."),
    "two alternating": (
        "\n".join(["One falls off.", "Two climb on."] * 4),
        "One falls off.\nTwo climb on.",
    ),
    "a word": ("It is " + "very " * 20 + "old.", "It is very"),
    "a clause": ("He said that she knew that " * 5, "He said that she knew that"),
    "a long paragraph twice": (f"{LONG}\n\n{LONG}\n\nMore.", LONG),
    "with other case": (f"{SENTENCE} {SENTENCE.upper()} {SENTENCE}", SENTENCE),
}

KEPT: dict[str, str] = {
    "a list with a repeated item": "Pack: socks, shirts, soap, socks, a towel, and more socks.",
    "bullets that repeat": "- rest\n- run\n- rest\n- swim" + "\n- rest and eat well" * 5,
    "the same bullet many times": "\n".join(["- drink a glass of water"] * 8),
    "numbered items": "\n".join(f"{n}. Take a deep breath and count to four." for n in range(1, 9)),
    "rows of a table": "\n".join(["| yes | no | yes | no |"] * 8),
    "fenced code": "Run it:\n\n```\n" + "step forward one pace now\n" * 6 + "```\nThat is all.",
    "open fence": "```\n" + "step forward one pace now\n" * 6,
    "indented code": "\n".join(["    move the arm to the left"] * 6),
    "statements": "\n".join(["robot.forward(10)"] * 13),
    "assignments": "\n".join(["count = count + 1"] * 6),
    "numbers": "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0",
    "a decimal series": "0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1",
    "a refrain": "Row on, row on.\nThe lake is wide.\nRow on, row on.\nThe night is long.",
    "a short echo": "No, no, no! Never, never, never.",
    "a cheer": "Ha ha ha ha ha ha!",
    "a sentence twice": f"{SENTENCE} {SENTENCE} Then it rests.",
    "a phrase in every sentence": (
        "In the morning we walk to the harbour. In the morning we walk to the market. In the "
        "morning we walk to the chapel. In the evening we stay."
    ),
    "same beginning": "I like tea. I like milk. I like rain. I like snow. I like you all the same.",
    "nothing": "",
    "one word": "Yes.",
}


@pytest.mark.parametrize(("text", "expected"), CUT.values(), ids=CUT.keys())
def test_loops_are_cut_after_their_first_round(text: str, expected: str) -> None:
    assert cut_loops(text, PAPER) == expected


@pytest.mark.parametrize("text", KEPT.values(), ids=KEPT.keys())
def test_legitimate_repeats_stay(text: str) -> None:
    assert cut_loops(text, PAPER) == text


@pytest.mark.parametrize("text", [text for text, _ in CUT.values()], ids=CUT.keys())
def test_switched_off_it_cuts_nothing(text: str) -> None:
    assert cut_loops(text, LoopSettings(enabled=False)) == text


WORD = st.sampled_from(["stone", "tree", "sea", "Wind.", "bell,", "7"])


@given(st.lists(WORD, max_size=40), st.lists(WORD, min_size=4, max_size=12), st.integers(3, 6))
# The block repeats a part of itself: each of its 4-grams comes again within it.
@example([], ["tree", "stone", "tree", "tree", "tree", "stone", "tree", "tree", "tree", "tree"], 3)
@example([], ["sea", "tree", "sea", "sea"] * 2 + ["sea"], 40)
def test_what_is_left_is_a_beginning_without_loops(
    before: list[str], block: list[str], times: int
) -> None:
    text = " ".join([*before, *block * times])
    left = cut_loops(text, PAPER)
    assert text.startswith(left)
    assert cut_loops(left, PAPER) == left
    if any(word.isalpha() for word in block):
        assert len(left) < len(text)


@given(st.text())
def test_any_text_is_cut_to_a_beginning(text: str) -> None:
    left = cut_loops(text, PAPER)
    assert text.startswith(left)


@given(st.lists(st.integers(), unique=True, max_size=60))
def test_text_without_repeats_stays(numbers: list[int]) -> None:
    text = " ".join(f"word{number}" for number in numbers)
    assert cut_loops(text, PAPER) == text


def test_distinct_share_tells_degenerate_text_from_prose() -> None:
    assert distinct_share(LONG) == 1.0
    assert distinct_share("too short") == 1.0
    assert distinct_share(" ".join([SENTENCE] * 10)) < 0.2
