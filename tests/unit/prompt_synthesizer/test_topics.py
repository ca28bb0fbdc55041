"""Topic brainstorming: the prompt's layout and what is read out of completions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfalign.prompt_synthesizer.prompt_templates import load_prompt_templates
from selfalign.prompt_synthesizer.synthesizer_settings import TopicSettings
from selfalign.prompt_synthesizer.topics import parse_topics, render_topics, shown_topics

SETTINGS = TopicSettings()


@pytest.mark.parametrize(
    ("shown", "end"),
    [([], "\n\n"), (["Silk"], "\n\n1. Silk\n"), (["Silk", "Tea"], "\n\n1. Silk\n2. Tea\n")],
)
def test_the_layout_of_the_prompt(shown: list[str], end: str) -> None:
    text = "Kind: {question_type}\n\nList of {count} topics:"
    wording = load_prompt_templates().model_copy(update={"topics": text})
    prompt = render_topics(wording, "Questions {count}", shown, SETTINGS)
    assert prompt == f"Kind: Questions {{count}}\n\nList of 10 topics:{end}"


@pytest.mark.parametrize(("known", "count"), [(0, 0), (1, 1), (9, 1), (10, 5), (99, 5)])
def test_few_known_topics_give_one_example(known: int, count: int) -> None:
    topics = [f"T{number}" for number in range(known)]
    shown = shown_topics(topics, SETTINGS, 3)
    assert len(shown) == len(set(shown)) == count
    assert shown == shown_topics(topics, SETTINGS, 3)


@pytest.mark.parametrize(
    ("completion", "cut", "expected"),
    [
        ("2. Silk Road\n3. Tea\n", False, [("Silk Road", None), ("Tea", None)]),
        ("2. Silk Road\n\n 3.  Tea", False, [("Silk Road", None), ("Tea", None)]),
        ("2. Silk Road\n3. Te", True, [("Silk Road", None), ("Te", "truncated")]),
        ("2. Silk Road\n3. Tea\n", True, [("Silk Road", None), ("Tea", None)]),
        ("Silk Road\n- Tea", False,
         [("Silk Road", "bad_topic_format"), ("- Tea", "bad_topic_format")]),
        ("2. silk\n3. Tea.\n4.", False, [
            ("silk", "bad_topic_capital"),
            ("Tea.", "bad_topic_punctuation"),
            ("4.", "bad_topic_format"),
        ]),
        ("2. A b c d", False, [("A b c d", "bad_topic_length")]),
        ("", False, []),
        ("\n\n", True, []),
    ],
)  # fmt: skip
def test_parsing(completion: str, cut: bool, expected: list[tuple[str, str | None]]) -> None:
    found = parse_topics(completion, cut=cut, settings=SETTINGS)
    assert [(c.text, c.rejection.reason if c.rejection else None) for c in found] == expected


def test_lines_beyond_the_limit_are_not_read() -> None:
    completion = "\n".join(f"{number}. Topic" for number in range(50))
    found = parse_topics(completion, cut=True, settings=SETTINGS)
    assert len(found) == 20
    assert all(candidate.rejection is None for candidate in found)


@given(st.text(max_size=200), st.booleans())
def test_any_text(completion: str, cut: bool) -> None:
    for candidate in parse_topics(completion, cut=cut, settings=SETTINGS):
        assert candidate.raw in completion
        assert candidate.rejection is not None or candidate.text[0].isupper()
