"""The wording: places are filled once, a file of one's own is checked."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from selfalign.errors import ConfigError
from selfalign.prompt_synthesizer.prompt_templates import fill, load_prompt_templates


def test_the_built_in_wording_has_no_place_left_once_filled() -> None:
    wording = load_prompt_templates()
    texts = [
        fill(wording.self_instruct, count="20"),
        fill(wording.topics, count="10", question_type="q"),
        fill(wording.topic_guided, count="10", hints="h", instructions="i"),
    ]
    assert not any("{" in text for text in texts)


@given(st.text(), st.text(), st.text())
def test_values_stay_as_they_are(before: str, first: str, second: str) -> None:
    before = before.replace("{", "(")
    text = before + "{a}|{b}{other}{a}"
    assert fill(text, a=first, b=second) == f"{before}{first}|{second}{{other}}{first}"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({}, None),
        ({"topics": "no place"}, "topics: the text lacks {question_type}"),
        ({"topic_guided": "{hints}"}, "topic_guided: the text lacks {instructions}"),
        ({"extra": "text"}, "extra"),
        ({"self_instruct": 3}, "self_instruct"),
    ],
)
def test_a_file_of_ones_own(tmp_path: Path, change: dict[str, object], message: str | None) -> None:
    path = tmp_path / "prompts.yaml"
    path.write_text(yaml.safe_dump({**load_prompt_templates().model_dump(), **change}))
    if message is None:
        assert load_prompt_templates(path) == load_prompt_templates()
    else:
        with pytest.raises(ConfigError, match=message):
            load_prompt_templates(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"a: [", "not valid YAML"), (b"\xff", "byte 0 is 0xff"), (b"", "is empty")],
)
def test_a_broken_file(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "prompts.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        load_prompt_templates(path)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_prompt_templates(tmp_path / "none.yaml")
