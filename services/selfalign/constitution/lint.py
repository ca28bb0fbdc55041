"""Checks of a valid constitution's quality, and its digest."""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from selfalign.constitution.parse import parse_completion
from selfalign.constitution.render import render_prefix, render_query, render_thoughts
from selfalign.constitution.schema import Constitution, MetaPrompt, Turn
from selfalign.filters.declining import declines

Severity = Literal["error", "warning"]
MAX_PRINCIPLE_CHARS = 400
MAX_ANSWER_CHARS = 2000
# About 4 characters a token: half of a 4,096-token context is left for query and answer.
MAX_PREFIX_CHARS = 16_000
_CITATION = re.compile(r"\b(\d{1,3}) \(([^()\n]+)\)", re.ASCII)


@dataclass(frozen=True, slots=True)
class LintFinding:
    """What is wrong, and where."""

    severity: Severity
    place: str
    message: str


def digest(c: Constitution) -> str:
    """16 hex digits over all of the constitution's content, whatever the file's layout."""
    # Without the section, constitutions keep the digest that they had before it was there.
    left_out = set() if c.declining else {"declining"}
    values = c.model_dump(mode="json", exclude=left_out)
    content = json.dumps(values, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def lint(c: Constitution) -> list[LintFinding]:
    """All findings, errors first. An error would make answers unparsable or teach a contradiction;
    a warning weakens the method."""
    findings = [
        LintFinding(severity, place, message)
        for check in (
            _headers,
            _collisions,
            _round_trips,
            _citations,
            _coverage,
            _lengths,
            _student,
            _declining,
        )
        for severity, place, message in check(c)
    ]
    return sorted(findings, key=lambda finding: finding.severity != "error")


_Findings = Iterator[tuple[Severity, str, str]]


def _headers(c: Constitution) -> _Findings:
    """Headers must differ, and none may begin another: the first match would win."""
    fields = ("user_header", "thoughts_header", "answer_header", "auto_reply_header")
    values = {field: getattr(c.wording, field) for field in fields}
    for field, value in values.items():
        for other, longer in values.items():
            if field != other and longer.startswith(value):
                yield (
                    "error",
                    f"wording.{field}",
                    f"{value!r} also begins {other} {longer!r}; give each its own beginning",
                )


def _collisions(c: Constitution) -> _Findings:
    """No text may hold a line that begins like a header."""
    w, s = c.wording, c.student
    headers = (w.user_header, w.thoughts_header, w.answer_header, w.auto_reply_header)
    headings = (s.user_heading, s.assistant_heading, s.verbose_heading)
    for place, text in _texts(c):
        lines = text.splitlines()
        for marker in headings if place.startswith("student") else headers:
            if any(line.startswith(marker) for line in lines):
                yield "error", place, f"a line begins with the header {marker!r}; reword it"


def _round_trips(c: Constitution) -> _Findings:
    """Every exemplar must parse back to its own parts."""
    for place, turn in c.turns():
        thoughts = render_thoughts(c, turn.analysis, turn.rules)
        follow = f"\n\n{c.wording.user_header} {c.wording.clear_context}"
        parsed = parse_completion(
            c, f" {thoughts}\n\n{c.wording.answer_header} {turn.answer}{follow}"
        )
        rules = tuple(rule.id for rule in parsed.rules)
        if (parsed.thoughts, rules, parsed.answer) != (thoughts, turn.rules, turn.answer):
            yield (
                "error",
                place,
                "does not parse back to its own thoughts, rules and answer; check for headers and "
                "for numbers that look like rules",
            )


def _citations(c: Constitution) -> _Findings:
    """Where a text cites `3 (helpful)`, number and name must agree, and the turn must list it."""
    names = {p.id: p.name for p in c.principles}
    ids = {p.name.casefold(): p.id for p in c.principles}
    for place, turn in c.turns():
        for field in ("analysis", "answer"):
            for number, name in _CITATION.findall(getattr(turn, field)):
                rule = ids.get(name.strip().casefold())
                if rule is not None and rule != int(number):
                    yield (
                        "error",
                        f"{place}.{field}",
                        f"cites {number} ({name}), but {name!r} is principle {rule} and "
                        f"{number} is {names.get(int(number), 'no principle')!r}",
                    )


def _coverage(c: Constitution) -> _Findings:
    """Every principle should be demonstrated; ids should count from 1."""
    shown = {rule for _, turn in c.turns() for rule in turn.rules}
    for index, principle in enumerate(c.principles):
        if principle.id not in shown:
            yield (
                "warning",
                f"principles[{index}]",
                f"{principle.id} ({principle.name}) is demonstrated by no exemplar",
            )
        if principle.id != index + 1:
            yield (
                "warning",
                f"principles[{index}].id",
                f"is {principle.id}, expected {index + 1}: models number on from 1",
            )
    seen: dict[str, str] = {}
    for place, turn in c.turns():
        query = render_query(c, turn.user, turn.input)
        if query in seen:
            yield "warning", f"{place}.user", f"asks the same as {seen[query]}"
        seen.setdefault(query, place)


def _lengths(c: Constitution) -> _Findings:
    """Long texts cost context in every request."""
    for index, principle in enumerate(c.principles):
        if len(principle.text) > MAX_PRINCIPLE_CHARS:
            yield (
                "warning",
                f"principles[{index}].text",
                f"{len(principle.text)} characters; expected at most {MAX_PRINCIPLE_CHARS}",
            )
    for place, turn in c.turns():
        if len(turn.answer) > MAX_ANSWER_CHARS:
            yield (
                "warning",
                f"{place}.answer",
                f"{len(turn.answer)} characters; expected at most {MAX_ANSWER_CHARS}",
            )
    size = len(render_prefix(c))
    if size > MAX_PREFIX_CHARS:
        yield (
            "warning",
            "exemplars",
            f"the prefix has {size} characters; expected at most {MAX_PREFIX_CHARS}, so that query "
            "and answer fit a context of 4,096 tokens",
        )


def _student(c: Constitution) -> _Findings:
    """The student should know its name, and its headings must differ."""
    s = c.student
    if s.user_heading in (s.assistant_heading, s.verbose_heading):
        yield "error", "student.user_heading", "is also the assistant's heading; turns would mix"
    if s.assistant_heading == s.verbose_heading:
        yield (
            "warning",
            "student.verbose_heading",
            "equals assistant_heading: the verbose prompt loses its own name",
        )
    if not s.standard.turns:
        yield "warning", "student.standard.turns", "has no turn in which it introduces itself"
    for field in ("standard", "concise", "verbose"):
        if s.name not in getattr(s, field).overview:
            yield "warning", f"student.{field}.overview", f"does not name {s.name!r}"


def _declining(c: Constitution) -> _Findings:
    """Answers must decline; requests need look-alikes that are answered, or all is refused."""
    for index, one in enumerate(c.declining):
        place = f"declining[{index}]"
        for number, answer in enumerate(one.answers):
            if declines(answer) is None:
                yield (
                    "warning",
                    f"{place}.answers[{number}]",
                    f"is not recognised as declining: {answer!r}; say what the assistant cannot "
                    "or will not do, in its first sentence",
                )
        if len(one.ordinary) < len(one.requests):
            yield (
                "warning",
                f"{place}.ordinary",
                f"{len(one.ordinary)} texts for {len(one.requests)} requests; expected as many, "
                "or the surface of the requests is taught as a reason to decline",
            )


def _texts(c: Constitution) -> Iterator[tuple[str, str]]:
    for index, principle in enumerate(c.principles):
        yield f"principles[{index}].text", principle.text
    for place, turn in c.turns():
        for field in Turn.model_fields:
            if field != "rules":
                yield f"{place}.{field}", getattr(turn, field)
    for index, exemplar in enumerate(c.exemplars):
        yield f"exemplars[{index}].auto_reply", exemplar.auto_reply
    for name in ("standard", "concise", "verbose"):
        meta: MetaPrompt = getattr(c.student, name)
        yield f"student.{name}.overview", meta.overview
        for index, intro in enumerate(meta.turns):
            yield f"student.{name}.turns[{index}].user", intro.user
            yield f"student.{name}.turns[{index}].answer", intro.answer
