"""Files of probes: the built-in one is large and clean; every mistake is named with its line."""

import json
from collections import Counter
from pathlib import Path

import pytest

from selfalign.constitution.yaml_file import load_constitution
from selfalign.errors import ConfigError
from selfalign.evaluation.probes.probes_file import drawn_per_kind, load_probes, parse_probes
from selfalign.filters.words import ngrams, words

KINDS = {
    "harm", "real-time", "dated knowledge", "unknowable", "ambiguity", "false premise",
    "arithmetic", "steps", "disputed", "settled", "creative", "operational", "look-alike",
}  # fmt: skip
GOOD = {"id": "a", "kind": "k", "prompt": "Why?", "scorer": "declines"}


def test_the_built_in_probes_cover_every_kind() -> None:
    counts = Counter(probe.kind for probe in load_probes(None))
    assert set(counts) == KINDS
    assert min(counts.values()) >= 12
    assert counts["look-alike"] >= 20


def test_the_built_in_probes_are_of_the_principles_and_unseen() -> None:
    constitution = load_constitution()
    ids = {principle.id for principle in constitution.principles}
    shown = f" {' '.join(words(constitution.model_dump_json()))} "
    named: set[int] = set()
    for probe in load_probes(None):
        assert set(probe.principles) <= ids
        named |= set(probe.principles)
        asked = words(f"{probe.prompt} {probe.input}")
        runs = [" ".join(run) for run in ngrams(asked, min(6, len(asked)))]
        assert [run for run in runs if f" {run} " in shown] == [], probe.id
    # The tone of the third principle is nothing that patterns could read.
    assert ids - named == {3}


def test_no_prompt_stands_twice() -> None:
    asked = [(probe.prompt.casefold(), probe.input) for probe in load_probes(None)]
    assert len(asked) == len(set(asked))


def test_yaml_and_json_lines_say_the_same(tmp_path: Path) -> None:
    number = {**GOOD, "id": "b", "scorer": "number_equals", "expected": {"number": 3}}
    lines = tmp_path / "mine.jsonl"
    lines.write_text(f"\ufeff{json.dumps(GOOD)}\n\n{json.dumps(number)}\n", encoding="utf-8")
    listed = tmp_path / "mine.yaml"
    listed.write_text(
        "- {id: a, kind: k, prompt: 'Why?', scorer: declines}\n"
        "- id: b\n  kind: k\n  prompt: |\n    Why?\n  scorer: number_equals\n"
        "  expected: {number: 3}\n"
    )
    assert load_probes(lines) == load_probes(listed)
    assert [probe.id for probe in load_probes(lines)] == ["a", "b"]


BAD_YAML: dict[str, tuple[str, str]] = {
    "unknown scorer": (
        "- {id: a, kind: k, prompt: 'Why?', scorer: declines}\n"
        "- {id: b, kind: k, prompt: 'Why?', scorer: declined}\n",
        "line 2: scorer: 'declined' is not known; expected one of declines,",
    ),
    "no scorer": ("- {id: a, kind: k, prompt: x}\n", "line 1: scorer: missing; expected one of"),
    "missing field": ("\n- {id: a, prompt: x, scorer: declines}\n", "line 2: kind: missing"),
    "unknown field": (
        "- {id: a, kind: k, prompt: x, scorer: declines, weight: 2}\n",
        "line 1: weight: unknown key",
    ),
    "blank prompt": (
        "- {id: a, kind: k, prompt: ' ', scorer: declines}\n",
        "line 1: prompt: is empty",
    ),
    "id with a space": ("- {id: a b, kind: k, prompt: x, scorer: declines}\n", "line 1: id: "),
    "duplicate id": (
        "- {id: a, kind: k, prompt: x, scorer: declines}\n"
        "- {id: a, kind: k, prompt: y, scorer: declines}\n",
        "line 2: id: 'a' stands on line 1 already",
    ),
    "missing expectation": (
        "- {id: a, kind: k, prompt: x, scorer: number_equals}\n",
        "line 1: expected: number: missing",
    ),
    "unknown expectation": (
        "- {id: a, kind: k, prompt: x, scorer: declines, expected: {number: 3}}\n",
        "line 1: expected: number: unknown key",
    ),
    "broken pattern": (
        "- {id: a, kind: k, prompt: x, scorer: patterns, expected: {contains: ['(']}}\n",
        "line 1: expected: contains[0]: '(' is no regular expression",
    ),
    "expectation that is no mapping": (
        "- {id: a, kind: k, prompt: x, scorer: patterns, expected: [x]}\n",
        "line 1: expected: ['x']; expected a mapping for patterns",
    ),
    "key twice": (
        "- {id: a, id: b, kind: k, prompt: x, scorer: declines}\n",
        "line 1, column 11: the key 'id' stands twice",
    ),
    "no mapping": ("- why\n", "line 1: a str; expected a mapping with id, kind"),
    "no list": ("id: a\n", "expected a list of probes"),
    "empty list": ("[]\n", "expected a list of probes"),
    "empty": ("", "expected a list of probes"),
    "no yaml": ("- {id: a\n", "not valid YAML: line"),
}


@pytest.mark.parametrize(("text", "message"), BAD_YAML.values(), ids=BAD_YAML.keys())
def test_mistakes_are_named(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_probes(text, "mine.yaml")
    assert str(caught.value).startswith("mine.yaml: ")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"id": "a"', "line 1, column 11: not valid JSON"),
        ("\n[1]\n", "line 2: a list; expected a mapping with"),
        ("\n\n", "holds no probes"),
        (f"{json.dumps(GOOD)}\n{json.dumps(GOOD)}\n", "line 2: id: 'a' stands on line 1"),
    ],
)
def test_mistakes_in_json_lines_are_named(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_probes(text, "mine.jsonl")
    assert f"mine.jsonl: {message}" in str(caught.value)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"evaluate\.probes_file: .*none\.yaml: cannot be read"):
        load_probes(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match=r"probes\.csv: unknown kind of file; expected a name"):
        load_probes(tmp_path / "probes.csv")


def test_so_many_of_each_kind_are_drawn_whatever_else_is_there() -> None:
    probes = load_probes(None)
    drawn = drawn_per_kind(probes, 2)
    assert set(Counter(probe.kind for probe in drawn).values()) == {2}
    assert list(drawn) == [probe for probe in probes if probe in drawn]
    harm = [probe for probe in probes if probe.kind == "harm"]
    assert set(drawn_per_kind(harm, 2)) == {probe for probe in drawn if probe.kind == "harm"}
    assert drawn_per_kind(probes, None) == probes
    assert drawn_per_kind(probes, 0) == ()
