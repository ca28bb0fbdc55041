"""The built-in exemplars keep the rules that answers are held to."""

import re

from selfalign.constitution.render import render_prefix
from selfalign.constitution.schema import Turn
from selfalign.constitution.yaml_file import load_constitution
from selfalign.principle_engine.align_settings import AlignFilterSettings

C = load_constitution()
TURNS = [turn for _, turn in C.turns()]
# Of about 1,700 tokens: with a query and an answer it has to fit 2,048 tokens, the first LLaMA's.
MAX_CHARS = 6_600


def shown(part: str) -> list[Turn]:
    return [turn for turn in TURNS if re.search(part, f"{turn.user}\n{turn.answer}")]


def test_their_answers_are_long_enough() -> None:
    least = AlignFilterSettings().min_chars
    assert [turn.user for turn in TURNS if len(turn.answer) < least] == []


def test_their_thoughts_give_reasons_in_words_of_their_own() -> None:
    openings = [" ".join(turn.analysis.split()[:2]).casefold() for turn in TURNS]
    assert len(set(openings)) == len(openings)
    assert not any(turn.analysis.startswith("The question") for turn in TURNS)


def test_code_a_false_premise_and_a_long_plain_answer_are_among_them() -> None:
    assert shown("```python\n")
    assert shown("did not write The Magic Flute")
    plain = [turn for turn in TURNS if not re.search(r"^\s*(?:[-*\d`])", turn.answer, re.MULTILINE)]
    assert max(len(turn.answer) for turn in plain) > 400


def test_what_clears_the_context_reads_like_no_answer() -> None:
    for text in (C.wording.clear_context, *(one.auto_reply for one in C.exemplars)):
        assert re.fullmatch(r"\([^()]+\)", text)


def test_the_prefix_stays_within_its_budget() -> None:
    assert len(render_prefix(C)) <= MAX_CHARS
