"""Local filters: good and bad side by side."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfalign.prompt_synthesizer.candidates import EVIDENCE_LENGTH, shorten
from selfalign.prompt_synthesizer.prompt_filters import check_instruction, check_topic
from selfalign.prompt_synthesizer.synthesizer_settings import (
    FileFilterSettings,
    PromptFilterSettings,
    TemplateFilterSettings,
    TopicGuidedSettings,
)

PAPER = PromptFilterSettings()
GUIDED = TopicGuidedSettings().filters
FILE = FileFilterSettings()
TURN = TemplateFilterSettings()
EXAMPLE = "Name three rivers of Asia."


@pytest.mark.parametrize(
    ("instruction", "input_", "settings", "reason", "evidence"),
    [
        ("Name the longest river.", "", PAPER, None, ""),
        ("Name the river.", "", PAPER, "too_short", "3 words, at least 4"),
        ("Name the river.", "", GUIDED, None, ""),
        ("", "", GUIDED, "empty", ""),
        ("word " * 150, "", PAPER, None, ""),
        ("word " * 151, "", PAPER, "too_long", "151 words, at most 150"),
        ("word " * 151, "", GUIDED, None, ""),
        ("Describe this image in detail.", "", PAPER, "blacklisted_word", "image"),
        ("Describe the scene in detail.", "see the VIDEO", PAPER, "blacklisted_word", "VIDEO"),
        ("How do I go to work?", "", PAPER, "blacklisted_word", "go to"),
        ("Describe the imagery of the poem.", "mapping", PAPER, None, ""),
        ("Describe this image in detail.", "", GUIDED, None, ""),
        ('"Run" is which part of speech?', "", PAPER, "bad_first_character", '"'),
        ('"Run" is a verb?', "", GUIDED, None, ""),
        ("Über alles redet man nicht?", "", PAPER, "non_ascii_start", "Ü"),
        ("Über alles?", "", GUIDED, None, ""),
        ("What is the naïve answer?", "", PAPER, None, ""),
        ("name three  rivers of asia.", "", PAPER, None, ""),
        ("NAME three rivers of Asia.", "", PAPER, "echo", f"an example: {EXAMPLE}"),
        ("NAME three rivers of Asia.", "", PromptFilterSettings(echo=False), None, ""),
        ("Write about, topic: Rivers here", "", PAPER, "echo", "marker 'topic:'"),
        ("Topic: name a river now", "", FILE, None, ""),
        ("Name a river now", "x" * 5985, FILE, "too_long", "6001 characters, at most 6000"),
        ("Name a river now", "x" * 5984, FILE, None, ""),
        ("Name the river.", "", FILE, "too_short", "3 words, at least 4"),
        ("Can you name a river?", "", TURN, None, ""),
        ("Can you name a river:", "", TURN, "bad_ending", ":"),
        ("word " * 50 + "word.", "", TURN, "too_long", "51 words, at most 50"),
        ("7. Instruction: name a river now", "", GUIDED, "echo", "marker 'Instruction:'"),
    ],
)
def test_instructions(
    instruction: str, input_: str, settings: PromptFilterSettings, reason: str | None, evidence: str
) -> None:
    rejection = check_instruction(instruction, input_, settings, [EXAMPLE])
    if reason is None:
        assert rejection is None
    else:
        assert rejection is not None
        assert (rejection.reason, rejection.evidence) == (reason, evidence)


@pytest.mark.parametrize(
    ("topic", "reason"),
    [
        ("Silk Road", None),
        ("Great Barrier Reef", None),
        ("X", None),
        ("", "bad_topic_length"),
        ("One two three four", "bad_topic_length"),
        ("silk", "bad_topic_capital"),
        ("3D printing", "bad_topic_capital"),
        ("Éclairs", "bad_topic_capital"),
        ("Silk Road.", "bad_topic_punctuation"),
        ("Law (civil)", "bad_topic_punctuation"),
    ],
)
def test_topics(topic: str, reason: str | None) -> None:
    rejection = check_topic(topic, 3)
    assert (rejection.reason if rejection else None) == reason


@given(st.text(), st.text())
def test_any_text_gets_a_verdict_with_bounded_evidence(instruction: str, input_: str) -> None:
    for settings in (PAPER, GUIDED):
        rejection = check_instruction(instruction, input_, settings, [instruction])
        assert rejection is None or len(rejection.evidence) <= EVIDENCE_LENGTH + 20


def test_shorten() -> None:
    assert shorten("short") == "short"
    assert len(shorten("x" * 500)) == EVIDENCE_LENGTH
