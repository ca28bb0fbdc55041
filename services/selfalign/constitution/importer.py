"""Reads the published prompt files (Watson's principles, Dromedary's meta prompts).

The imported constitution renders them byte for byte; users who have the files thus reproduce the
paper's prompts.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import ValidationError

from selfalign.constitution.import_student import import_student
from selfalign.constitution.render import GAP, render_meta, render_prefix
from selfalign.constitution.schema import (
    RULES_PLACE,
    Constitution,
    Exemplar,
    Principle,
    Turn,
    Wording,
)
from selfalign.errors import DataError
from selfalign.settings.documents import read_text

_PRINCIPLE = re.compile(r"(\d+) \(([^()]+)\)\. (.+)")
_CITATION = r"\d+ \([^()]+\)"
_CITATIONS = re.compile(rf"{_CITATION}(?:, {_CITATION})*")


def import_constitution(
    principles: Path, *, standard: Path, concise: Path, verbose: Path
) -> Constitution:
    """A constitution from the file of principles and exemplars and three meta prompts.

    Raises:
        ConfigError: a file cannot be read or is not UTF-8.
        DataError: a file does not have the published layout; says where.
    """
    try:
        name, rules, wording, exemplars = _import_principles(read_text(principles), str(principles))
        student = import_student(standard, concise, verbose)
        c = Constitution(
            name=name, principles=rules, exemplars=exemplars, wording=wording, student=student
        )
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(map(str, problem["loc"]))
        raise DataError(f"{principles}: {place or 'constitution'}: {problem['msg']}") from error
    _check_bytes(principles, render_prefix(c))
    for path, meta, heading in (
        (standard, student.standard, student.assistant_heading),
        (concise, student.concise, student.assistant_heading),
        (verbose, student.verbose, student.verbose_heading),
    ):
        _check_bytes(path, render_meta(c, meta, heading))
    return c


def _check_bytes(path: Path, rendered: str) -> None:
    """An import that does not render the file again would silently reproduce something else."""
    expected = read_text(path).strip()
    if rendered == expected:
        return
    place = next(
        (i for i, (a, b) in enumerate(zip(rendered, expected, strict=False)) if a != b),
        min(len(rendered), len(expected)),
    )
    line = expected.count("\n", 0, place) + 1
    raise DataError(
        f"{path}: line {line} differs from the published layout: "
        f"{expected[place : place + 60]!r} would become {rendered[place : place + 60]!r}"
    )


def _import_principles(
    text: str, origin: str
) -> tuple[str, tuple[Principle, ...], Wording, tuple[Exemplar, ...]]:
    text = text.strip()
    blocks = text.split(GAP)
    user_header = blocks[-1]
    rules_at = next((i for i, block in enumerate(blocks) if _PRINCIPLE.match(block)), -1)
    if len(blocks) < 10 or rules_at < 3 or "\n" in user_header or len(blocks) < rules_at + 4:
        raise DataError(
            f"{origin}: expected title, heading, introduction, rules `1 (name). text`, heading, "
            "introduction and exemplars, parted by blank lines, and the user's header at the end"
        )
    title, name = blocks[0], blocks[0].lstrip("#").strip()
    dialogue = GAP.join(blocks[rules_at + 3 : -1])
    turns = _turns(dialogue, name, user_header)
    headers = list(dict.fromkeys(header for header, _ in turns))
    if len(headers) != 4 or headers[0] != user_header:
        raise DataError(
            f"{origin}: exemplars: found the headers {headers}; expected four, the first of them "
            f"the one that ends the file: {user_header!r}"
        )
    thoughts = [body for header, body in turns if header == headers[1]]
    opening = _opening(thoughts)
    rules_sentence = _rules_sentence(thoughts, origin)
    exemplars, clear = _exemplars(turns, headers, opening, origin)
    wording = Wording(
        title=title,
        rules_heading=blocks[1],
        rules_intro=GAP.join(blocks[2:rules_at]),
        examples_heading=blocks[rules_at + 1],
        examples_intro=blocks[rules_at + 2],
        user_header=user_header,
        thoughts_header=headers[1],
        opening=opening,
        rules_sentence=rules_sentence,
        answer_header=headers[2],
        clear_context=clear,
        auto_reply_header=headers[3],
    )
    return name, tuple(_principles(blocks[rules_at], origin)), wording, exemplars


def _principles(block: str, origin: str) -> Iterator[Principle]:
    for line in block.split("\n"):
        match = _PRINCIPLE.fullmatch(line)
        if match is None:
            raise DataError(f"{origin}: rules: expected `1 (name). text`, not {line!r:.80}")
        yield Principle(id=int(match[1]), name=match[2], text=match[3])


def _turns(dialogue: str, name: str, user_header: str) -> list[tuple[str, str]]:
    """(header, text) of every turn of the exemplars."""
    header = re.compile(
        rf"(?:^|\n\n)({re.escape(user_header)}|{re.escape(name)}(?: \([^()\n]+\))?:) "
    )
    parts = header.split(dialogue)[1:]
    return list(zip(parts[::2], parts[1::2], strict=True))


def _opening(thoughts: Sequence[str]) -> str:
    """The sentence, or sentences, that begin all thoughts."""
    shared = min(thoughts)
    for one in thoughts:
        while not one.startswith(shared):
            shared = shared[:-1]
    return shared[: shared.rfind(". ") + 1]


def _rules_sentence(thoughts: Sequence[str], origin: str) -> str:
    """The sentence around the cited rules, which must be the same everywhere."""
    sentences = []
    for one in thoughts:
        found = list(_CITATIONS.finditer(one))
        if not found:
            raise DataError(f"{origin}: thoughts cite no rule as `3 (name)`: {one!r:.120}")
        last = found[-1]
        start = one.rfind(". ", 0, last.start()) + 2
        sentences.append(f"{one[start : last.start()]}{RULES_PLACE}{one[last.end() :]}")
    if len(set(sentences)) != 1:
        raise DataError(f"{origin}: thoughts end in different sentences: {sorted(set(sentences))}")
    return sentences[0]


def _exemplars(
    turns: Sequence[tuple[str, str]], headers: Sequence[str], opening: str, origin: str
) -> tuple[tuple[Exemplar, ...], str]:
    """The exemplars, and what the user says to clear the context after each."""
    exemplars: list[Exemplar] = []
    clears: list[str] = []
    current: list[Turn] = []
    queue = list(turns)
    while queue:
        kinds = tuple(headers.index(header) for header, _ in queue[:3])
        texts = [text for _, text in queue[:3]]
        if kinds == (0, 1, 2):
            current.append(_turn(texts, opening))
            queue = queue[3:]
        elif kinds[:2] == (0, 3) and current:
            clears.append(texts[0])
            exemplars.append(Exemplar(turns=tuple(current), auto_reply=texts[1]))
            current, queue = [], queue[2:]
        else:
            raise DataError(
                f"{origin}: exemplars: expected user, thoughts, answer or user, automatic reply "
                f"at {queue[0][1]!r:.80}"
            )
    if current or len(set(clears)) != 1:
        raise DataError(
            f"{origin}: every exemplar must end with the same words of the user, not with "
            f"{sorted(set(clears))}"
        )
    return tuple(exemplars), clears[0]


def _turn(texts: Sequence[str], opening: str) -> Turn:
    user, _, input = texts[0].partition(GAP)
    *_, citations = _CITATIONS.finditer(texts[1])
    end = texts[1].rfind(". ", 0, citations.start()) + 1
    return Turn(
        user=user,
        input=input,
        analysis=texts[1][len(opening) : end].strip(),
        rules=tuple(map(int, re.findall(r"(\d+) \(", citations[0]))),
        answer=texts[2],
    )
