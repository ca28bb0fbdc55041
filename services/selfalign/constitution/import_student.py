"""Reads the published meta prompts of the trained model (standard, concise, verbose)."""

import re
from pathlib import Path

from selfalign.constitution.render import GAP
from selfalign.constitution.schema import MetaPrompt, Student, StudentTurn
from selfalign.errors import DataError
from selfalign.settings.documents import read_text


def import_student(standard: Path, concise: Path, verbose: Path) -> Student:
    """The student's layout; all three files must agree on the headings."""
    heads: dict[Path, tuple[str, str, str, str]] = {}
    metas: dict[Path, MetaPrompt] = {}
    headings: dict[Path, str] = {}
    for path in (standard, concise, verbose):
        heads[path], metas[path], headings[path] = _import_meta(read_text(path), str(path))
        if heads[path] != heads[standard]:
            raise DataError(f"{path}: headings {heads[path]} are not those of {standard}")
    title, overview, conversation, user = heads[standard]
    name = title.lstrip("#").strip()
    marks = user.split(" ")[0]
    assistant = headings[standard] or f"{marks} {name}"
    return Student(
        name=name,
        title=title,
        overview_heading=overview,
        conversation_heading=conversation,
        user_heading=user,
        assistant_heading=assistant,
        verbose_heading=headings[verbose] or assistant,
        standard=metas[standard],
        concise=metas[concise],
        verbose=metas[verbose],
    )


def _import_meta(text: str, origin: str) -> tuple[tuple[str, str, str, str], MetaPrompt, str]:
    """(title and headings, the meta prompt, the assistant's heading or "")."""
    text = text.strip()
    head, _, user = text.rpartition(GAP)
    blocks = head.split(GAP)
    at = next((i for i, block in enumerate(blocks) if i > 2 and block.startswith("## ")), -1)
    if at < 0 or not user.startswith("### ") or "\n" in user:
        raise DataError(
            f"{origin}: expected title, heading, overview, heading and turns, parted by blank "
            "lines, and the user's heading at the end"
        )
    parts = re.split(r"(?:^|\n\n)(### [^\n]+)\n", GAP.join(blocks[at + 1 :]))[1:]
    pairs = list(zip(parts[::2], parts[1::2], strict=True))
    if len(pairs) % 2:
        raise DataError(f"{origin}: the turn {pairs[-1][0]!r} has no answer")
    turns = tuple(
        StudentTurn(user=said, answer=answer)
        for (_, said), (_, answer) in zip(pairs[::2], pairs[1::2], strict=True)
    )
    meta = MetaPrompt(overview=GAP.join(blocks[2:at]), turns=turns)
    heading = pairs[1][0] if len(pairs) > 1 else ""
    return (blocks[0], blocks[1], blocks[at], user), meta, heading
