"""Bad constitutions are refused with every mistake's place; good ones load as they are."""

from importlib import resources
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from selfalign.constitution.lint import digest
from selfalign.constitution.yaml_file import load_constitution, parse_constitution
from selfalign.errors import ConfigError

BUILT_IN = (resources.files("selfalign.constitution") / "constitution.yaml").read_text("utf-8")


def changed(old: str, new: str) -> str:
    assert old in BUILT_IN
    return BUILT_IN.replace(old, new, 1)


BAD: dict[str, tuple[str, str]] = {
    "unknown rule": (
        changed("rules: [6, 14]", "rules: [6, 99]"),
        "exemplars[2].turns[0].rules: 99 is no principle's id",
    ),
    "rule twice": (
        changed("rules: [6, 14]", "rules: [2, 6, 6]"),
        "exemplars[2].turns[0].rules: [2, 6, 6] names a rule twice",
    ),
    "rule as text": (
        changed("rules: [6, 14]", "rules: [2, six]"),
        "exemplars[2].turns[0].rules[1]: ",
    ),
    "rule as bool": (
        changed("rules: [6, 14]", "rules: [2, yes]"),
        "exemplars[2].turns[0].rules[1]: ",
    ),
    "no rules": (
        changed("rules: [6, 14]", "rules: []"),
        "exemplars[2].turns[0].rules: is empty",
    ),
    "duplicate id": (
        changed("- id: 2\n", "- id: 1\n"),
        "principles[1].id: 1 is taken by principles[0]",
    ),
    "duplicate name": (
        changed("name: informative", "name: Ethical"),
        "principles[1].name: 'ethical' is taken by principles[0]",
    ),
    "id zero": (changed("- id: 1\n", "- id: 0\n"), "principles[0].id: "),
    "missing text": (
        changed(
            "    text: When Alder does not know something, it says so and invents nothing.\n", ""
        ),
        "principles[6].text: missing; add it",
    ),
    "empty text": (
        changed("When Alder does not know something, it says so and invents nothing.", "'  '"),
        "principles[6].text: is empty",
    ),
    "name with brackets": (changed("name: candor", "name: candor (7)"), "principles[6].name: "),
    "text as list": (changed("name: candor", "name: [candor]"), "principles[6].name: "),
    "unknown key": (changed("name: candor", "nmae: candor"), "principles[6].nmae: unknown key"),
    "no rules place": (
        changed("matter here are {rules}", "matter here"),
        "wording.rules_sentence: ",
    ),
    "two places": (
        changed("matter here are {rules}", "matter are {rules} {rules}"),
        "wording.rules_sentence: ",
    ),
    "key twice": (changed("name: Alder\n", "name: Alder\nname: Other\n"), "line 5, column 1"),
    "syntax": (changed("principles:\n", "principles: [\n"), "line "),
    "tabs": (changed("  - id: 1\n", "\t- id: 1\n"), "line 7"),
    "control character": (changed("name: candor", "name: cand\x00or"), "#x0000"),
    "empty": ("", "is empty; expected"),
    "only comments": ("# nothing\n", "is empty; expected"),
    "a list": ("- one\n- two\n", "found list"),
    "a word": ("constitution\n", "found str"),
    "bad date": ("name: 2021-99-99\n", "month"),
    "deep": ("[" * 20_000, "nested too deeply"),
    "large": ("#" * (1 << 21), "expected at most"),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD.keys())
def test_mistakes_are_named_with_their_place(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_constitution(text, "mine.yaml")
    assert str(caught.value).startswith("mine.yaml: ")
    assert message in str(caught.value)


def test_all_mistakes_are_reported_at_once() -> None:
    text = changed("rules: [6, 14]", "rules: [2, 99]").replace("- id: 2\n", "- id: 1\n")
    with pytest.raises(ConfigError) as caught:
        parse_constitution(text, "mine.yaml")
    message = str(caught.value)
    assert "99 is no principle's id" in message
    assert "principles[1].id: 1 is taken" in message
    assert len(message.splitlines()) >= 3


GOOD: dict[str, str] = {
    "as it is": BUILT_IN,
    "windows line ends": BUILT_IN.replace("\n", "\r\n"),
    "reordered": yaml.safe_dump(yaml.safe_load(BUILT_IN), sort_keys=True, allow_unicode=True),
    "as JSON-like flow": yaml.safe_dump(
        yaml.safe_load(BUILT_IN), default_flow_style=True, allow_unicode=False
    ),
}


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD.keys())
def test_the_same_content_has_the_same_digest(text: str) -> None:
    assert digest(parse_constitution(text, "mine")) == digest(load_constitution())


def test_any_change_of_content_changes_the_digest() -> None:
    text = changed("rules: [6, 14]", "rules: [6, 2, 14]")
    assert digest(parse_constitution(text, "mine")) != digest(load_constitution())


def test_files(tmp_path: Path) -> None:
    good = tmp_path / "good.yaml"
    good.write_bytes(b"\xef\xbb\xbf" + BUILT_IN.encode())
    assert load_constitution(good) == load_constitution()
    bad = tmp_path / "bad.yaml"
    bad.write_bytes(b"name: Caf\xe9\n")
    with pytest.raises(ConfigError, match=r"bad\.yaml: not UTF-8 text \(byte 9 is 0xe9\)"):
        load_constitution(bad)
    with pytest.raises(ConfigError, match=r"missing\.yaml"):
        load_constitution(tmp_path / "missing.yaml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_constitution(tmp_path)


@given(st.text())
def test_any_text_loads_or_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_constitution(text, "mine")


@given(st.data())
def test_a_broken_file_never_raises_anything_else(data: st.DataObject) -> None:
    lines = BUILT_IN.splitlines(keepends=True)
    place = data.draw(st.integers(0, len(lines) - 1))
    lines[place] = data.draw(st.sampled_from(["", "\n", "- x\n", "a: b\n", "  - {\n", ": :\n"]))
    try:
        parse_constitution("".join(lines), "mine")
    except ConfigError as error:
        assert str(error).startswith("mine: ")
