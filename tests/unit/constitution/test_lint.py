"""The built-in constitution is clean; each weakness is found where it stands."""

from importlib import resources

import pytest

from selfalign.constitution.lint import lint
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
