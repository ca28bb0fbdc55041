"""Topic-guided instructions: the prompt's layout and what is read out of completions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfalign.prompt_synthesizer.prompt_templates import load_prompt_templates
from selfalign.prompt_synthesizer.seeds import TopicSeed, load_topic_seeds
from selfalign.prompt_synthesizer.topic_guided import (
    Hint,
    draw_topic_seeds,
    parse_line,
    parse_list,
    render_topic_guided,
)

ART, LAW = "Questions that require art", "Questions that require law"
HINTS = [Hint(ART, "Silk"), Hint(LAW, "Wills")]
LEAD = "2. type: Instructions that require art, topic: Silk"
SECOND = "3. type: Instructions that require law, topic: Wills"


@pytest.mark.parametrize("lead", [False, True])
def test_the_layout_of_the_prompt(lead: bool) -> None:
    text = "{count} Hints:\n{hints}\n\n{count} Instructions:\n{instructions}"
    wording = load_prompt_templates().model_copy(update={"topic_guided": text})
    shown = [TopicSeed(LAW, "Debt {hints}", "What is debt?")]
    first = "1. type: Instructions that require law, topic: Debt {hints}"
    assert render_topic_guided(wording, shown, HINTS, lead=lead) == (
        f"3 Hints:\n{first}\n{LEAD}\n{SECOND}\n\n3 Instructions:\n"
        f"{first}, instruction: What is debt?\n" + (f"{LEAD}, instruction:" if lead else "")
    )


def test_seeds_are_drawn_by_seed() -> None:
    pool = load_topic_seeds()
    assert draw_topic_seeds(pool, 5, 1) == draw_topic_seeds(pool, 5, 1)
    assert len(set(draw_topic_seeds(pool, 5, 1))) == 5
    assert len(draw_topic_seeds(pool, 50, 1)) == 20


@pytest.mark.parametrize(
    ("completion", "cut", "text", "reason"),
    [
        (" Who wove it?", False, "Who wove it?", None),
        (" Who  wove it? \n3. type:", False, "Who wove it?", None),
        (" Who wove it?\n", True, "Who wove it?", None),
        (" Who wov", True, "Who wov", "truncated"),
        ("", False, "", "empty"),
        ("  \nWho?", False, "", "empty"),
        ("", True, "", "empty"),
    ],
)
def test_one_line(completion: str, cut: bool, text: str, reason: str | None) -> None:
    found = parse_line(completion, cut=cut)
    assert found.text == text
    assert (found.rejection.reason if found.rejection else None) == reason
    assert found.raw == completion


@pytest.mark.parametrize(
    ("completion", "cut", "expected"),
    [
        (f"{LEAD}, instruction: A?\n{SECOND}, instruction: B?", False,
         [("A?", None), ("B?", None)]),
        (f"{LEAD}, instruction: A?\n{SECOND}, instruction: B", True,
         [("A?", None), ("B", "truncated")]),
        (f"{LEAD}, instruction: A?\n{SECOND}, instruction: B?\n", True,
         [("A?", None), ("B?", None)]),
        # Out of order, spaced otherwise, said twice, with more lines than asked.
        (f"{SECOND}, instruction: B?\n{LEAD.upper()} , instruction:  A?\n{LEAD}, instruction: C?\n"
         "4. type: x", False, [("A?", None), ("B?", None)]),
        (f"{LEAD}, instruction: A?", False, [("A?", None), ("", "missing_line")]),
        (f"{LEAD.replace('Silk', 'Tea')}, instruction: A?\n{SECOND}", False,
         [("", "wrong_hint"), ("", "malformed")]),
        (f"{LEAD}, instruction: say instruction: A?\n", False,
         [("A?", None), ("", "missing_line")]),
        (f"{LEAD}, instruction:\n", False, [("", None), ("", "missing_line")]),
        ("", False, [("", "missing_line"), ("", "missing_line")]),
    ],
)  # fmt: skip
def test_a_list(completion: str, cut: bool, expected: list[tuple[str, str | None]]) -> None:
    found = parse_list(completion, shown=1, hints=HINTS, cut=cut)
    assert [(c.text, c.rejection.reason if c.rejection else None) for c in found] == expected


def test_spaces_as_written() -> None:
    line = f"{LEAD}, instruction:  Who  wove it? "
    (found,) = parse_list(line, shown=1, hints=HINTS[:1], cut=False, lines="as_written")
    assert found.text == "Who  wove it?"
    assert parse_line("  Who  wove it? \n", cut=False, lines="as_written").text == "Who  wove it?"


@given(st.text(alphabet="123. type:instructo,\n", max_size=200), st.booleans())
def test_every_hint_has_one_candidate(completion: str, cut: bool) -> None:
    assert len(parse_list(completion, shown=1, hints=HINTS, cut=cut)) == len(HINTS)
    parse_line(completion, cut=cut)
