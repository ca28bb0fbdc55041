"""The built-in constitution is clean; each weakness is found where it stands."""

import hashlib
import json
from importlib import resources

import pytest
from pydantic import ValidationError

from selfalign.constitution.lint import digest, lint
from selfalign.constitution.schema import Constitution
from selfalign.constitution.yaml_file import load_constitution, parse_constitution

BUILT_IN = (resources.files("selfalign.constitution") / "constitution.yaml").read_text("utf-8")

FINDINGS: dict[str, tuple[str, str, str, str, str]] = {
    "not demonstrated": (
        "rules: [6, 14]",
        "rules: [6]",
        "warning",
        "principles[13]",
        "demonstrated by no exemplar",
    ),
    "wrong name": (
        "analysis: Sensible people weigh",
        "analysis: As 14 (candor) says, people weigh",
        "error",
        "exemplars[2].turns[0].analysis",
        "is principle 7",
    ),
    "header in an answer": (
        "The average is 21, which",
        "The average is\n\n          User: 21, which",
        "error",
        "exemplars[3].turns[0].answer",
        "'User:'",
    ),
    "heading in a student's text": (
        "- user: Hi! Who am I talking to?",
        "- user: '### User'",
        "error",
        "student.standard.turns[0].user",
        "'### User'",
    ),
    "header that begins another": (
        'answer_header: "Alder:"',
        'answer_header: "Alder"',
        "error",
        "wording.answer_header",
        "thoughts_header",
    ),
    "rule-like number after the rules": (
        "rules_sentence: The principles that matter here are {rules}.",
        "rules_sentence: The principles that matter here are {rules} of 16.",
        "error",
        "exemplars[0].turns[0]",
        "parse back",
    ),
    "gap in the ids": ("- id: 16\n", "- id: 18\n", "warning", "principles[15].id", "expected 16"),
    "long principle": (
        "it says so and invents nothing.",
        "it says so. " + "Really. " * 60,
        "warning",
        "principles[6].text",
        "expected at most 400",
    ),
    "same question twice": (
        "user: tell me about mercury",
        "user: Should cities ban cars from their centres?",
        "warning",
        "exemplars[4].turns[0].user",
        "exemplars[2].turns[0]",
    ),
    "one heading for both": (
        'assistant_heading: "### Alder"',
        'assistant_heading: "### User"',
        "error",
        "student.user_heading",
        "mix",
    ),
    "no verbose name": (
        "### Alder (extensive)",
        "### Alder",
        "warning",
        "student.verbose_heading",
        "loses its own name",
    ),
    "nameless": (
        "concise:\n    overview: >-\n      Alder is",
        "concise:\n    overview: >-\n      This is",
        "warning",
        "student.concise.overview",
        "'Alder'",
    ),
}


def test_the_built_in_constitution_is_clean() -> None:
    assert lint(load_constitution()) == []


@pytest.mark.parametrize(
    ("old", "new", "severity", "place", "message"), FINDINGS.values(), ids=FINDINGS.keys()
)
def test_weaknesses_are_found_in_their_place(
    old: str, new: str, severity: str, place: str, message: str
) -> None:
    assert old in BUILT_IN
    text = BUILT_IN.replace(old, new, 1)
    if old == "- id: 16\n":
        text = text.replace("15, 16]", "15, 18]")
    findings = lint(parse_constitution(text, "mine"))
    found = [(f.severity, f.place) for f in findings if message in f.message]
    assert (severity, place) in found
    severities = [finding.severity for finding in findings]
    assert severities == sorted(severities)


def test_declining_needs_look_alikes_and_answers_that_decline() -> None:
    rule = load_constitution().declining[0]
    poor = rule.model_copy(update={"answers": ("Sure, here is how.",), "ordinary": ()})
    found = lint(load_constitution().model_copy(update={"declining": (poor,)}))
    assert [one.place for one in found] == ["declining[0].answers[0]", "declining[0].ordinary"]


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ([{"rule": 99, "answers": ["No."]}], "declining[0].rule: 99 is no principle's id"),
        ([{"rule": 1, "answers": ["No."]}] * 2, "declining[1].rule: 1 is taken by declining[0]"),
        (
            [{"rule": 1, "answers": ["No."], "requests": ["A?"], "ordinary": ["a?"]}],
            "declining[0].ordinary[0]: 'a?' is also declining[0].requests[0]",
        ),
        ([{"rule": 1, "answers": []}], "answers"),
    ],
)
def test_a_wrong_section_on_declining_is_named(rules: list[object], message: str) -> None:
    values = load_constitution().model_dump() | {"declining": rules}
    with pytest.raises(ValidationError) as caught:
        Constitution.model_validate(values)
    assert message in str(caught.value)


def test_without_the_section_a_constitution_keeps_its_digest() -> None:
    values = load_constitution().model_dump(mode="json", exclude={"declining"})
    content = json.dumps(values, sort_keys=True, ensure_ascii=False)
    assert (
        digest(Constitution.model_validate(values))
        == (hashlib.sha256(content.encode()).hexdigest()[:16])
    )
