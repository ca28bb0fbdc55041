"""Topic-guided red-teaming: rendering hints, parsing instructions (paper section 3.1)."""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from selfalign.filters.rejection import Rejection
from selfalign.prompt_synthesizer.candidates import Candidate, Reason, shorten
from selfalign.prompt_synthesizer.prompt_templates import PromptTemplates, fill
from selfalign.prompt_synthesizer.seeds import TopicSeed
from selfalign.prompt_synthesizer.synthesizer_settings import InstructionLines

MARKER = "instruction:"
NUMBER = re.compile(r"^\s*(\d+)\.\s")


@dataclass(frozen=True, slots=True)
class Hint:
    """What an instruction is to be about."""

    question_type: str
    topic: str


def draw_topic_seeds(pool: Sequence[TopicSeed], count: int, seed: int) -> list[TopicSeed]:
    """The examples of one prompt, without replacement."""
    return random.Random(seed).sample(list(pool), min(count, len(pool)))


def render_topic_guided(
    templates: PromptTemplates, shown: Sequence[TopicSeed], hints: Sequence[Hint], *, lead: bool
) -> str:
    """The prompt: all hints, then the instructions of the examples.

    Args:
        lead: Also begin the line of the first new hint, up to its instruction.
    """
    seeds = [Hint(seed.question_type, seed.topic) for seed in shown]
    lines = [_hint_line(number, hint) for number, hint in enumerate([*seeds, *hints], 1)]
    written = [
        f"{line}, {MARKER} {seed.instruction}" for line, seed in zip(lines, shown, strict=False)
    ]
    text = fill(
        templates.topic_guided,
        count=str(len(lines)),
        hints="\n".join(lines),
        instructions="\n".join(written),
    )
    return f"{text}\n" + (f"{lines[len(seeds)]}, {MARKER}" if lead else "")


def parse_line(completion: str, *, cut: bool, lines: InstructionLines = "one_line") -> Candidate:
    """The candidate of a prompt whose line was begun: the text up to the newline."""
    stripped = completion.lstrip(" ")
    text, newline, _ = stripped.partition("\n")
    rejection = None
    if not text.strip():
        rejection = Rejection(Reason.EMPTY, "nothing before the newline")
    elif cut and not newline:
        rejection = Rejection(Reason.TRUNCATED, "the token limit ended this line")
    return Candidate(completion, _spaced(text, lines), rejection=rejection)


def parse_list(
    completion: str,
    *,
    shown: int,
    hints: Sequence[Hint],
    cut: bool,
    lines: InstructionLines = "one_line",
) -> list[Candidate]:
    """One candidate for each hint, in their order.

    Args:
        shown: Examples in the prompt, whose numbers the completion continues.
        cut: The token limit ended the completion, so that its last line may be half a line.
    """
    found = completion.split("\n")
    by_number: dict[int, tuple[str, bool]] = {}
    for position, line in enumerate(found):
        number = NUMBER.match(line)
        if number:
            last = position == len(found) - 1
            by_number.setdefault(int(number.group(1)), (line, cut and last))
    return [
        _parse_numbered(by_number.get(number), number, hint, lines)
        for number, hint in enumerate(hints, shown + 1)
    ]


def _parse_numbered(
    found: tuple[str, bool] | None, number: int, hint: Hint, lines: InstructionLines
) -> Candidate:
    if found is None:
        return Candidate("", rejection=Rejection(Reason.MISSING_LINE, f"no line {number}."))
    line, cut = found
    expected = _hint_line(number, hint)
    if not _plain(line).startswith(_plain(expected)):
        return Candidate(line, rejection=Rejection(Reason.WRONG_HINT, shorten(line.strip())))
    _, marker, text = line.rpartition(MARKER)
    if not marker:
        return Candidate(line, rejection=Rejection(Reason.MALFORMED, shorten(line.strip())))
    rejection = Rejection(Reason.TRUNCATED, "the token limit ended this line") if cut else None
    return Candidate(line, _spaced(text, lines), rejection=rejection)


def _spaced(text: str, lines: InstructionLines) -> str:
    return text.strip() if lines == "as_written" else " ".join(text.split())


def _hint_line(number: int, hint: Hint) -> str:
    kind = hint.question_type.replace("Questions", "Instructions", 1)
    return f"{number}. type: {kind}, topic: {hint.topic}"


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()
