"""Self-instruct: rendering the prompt, parsing its tasks (paper section 3.1, appendix G)."""

import random
import re
from collections.abc import Sequence

from selfalign.filters.rejection import Rejection
from selfalign.prompt_synthesizer.candidates import Candidate, Reason, shorten
from selfalign.prompt_synthesizer.prompt_templates import PromptTemplates, fill
from selfalign.prompt_synthesizer.seeds import TaskSeed
from selfalign.prompt_synthesizer.synthesizer_settings import InstructionLines

NO_INPUT = "<noinput>"
HEADER = re.compile(r"^[ \t]*\d+\.[ \t]+Instruction:", re.MULTILINE)
INPUT = re.compile(r"^[ \t]*\d+\.[ \t]+Input:", re.MULTILINE)
# Some models go on to solve the task; their answer is no part of the prompt.
OUTPUT = re.compile(r"^[ \t]*\d+\.[ \t]+Output:", re.MULTILINE)
# Small models misspell the sign for it in many ways: [noinput], <noinject>.
ABSENT = re.compile(
    r"<?\s*no[ _]?input\s*>?\.?|[<\[(]\s*no(?:[ _]?in\w*|ne)\s*[>\])]|"
    r"[<\[(]?\s*(?:none|n/a|not applicable|no (?:\w+ )?input(?: (?:is |was )?(?:needed|required|"
    r"necessary|provided|given|available|applicable))?)\.?\s*[>\])]?\.?",
    re.IGNORECASE,
)
# On a line without other text: the material of a task may have headings of its own.
SEPARATOR = re.compile(r"^[ \t]*###[ \t]*(?=$|\d+\.[ \t]+Instruction:)", re.MULTILINE)
# What is left of a separator that a stop sequence or the token limit cut.
HALF_SEPARATOR = re.compile(r"(?:^|\n)[ \t]*#{1,2}\s*$")


def draw_seeds(pool: Sequence[TaskSeed], count: int, seed: int) -> list[TaskSeed]:
    """The examples of one prompt, without replacement, from the seeds only."""
    return random.Random(seed).sample(list(pool), min(count, len(pool)))


def render_self_instruct(templates: PromptTemplates, shown: Sequence[TaskSeed], listed: int) -> str:
    """The prompt: it ends with the open header of the next task."""
    tasks = [
        f"###\n{number}. Instruction: {_one_line(task.instruction)}\n"
        f"{number}. Input:\n{task.input or NO_INPUT}\n"
        for number, task in enumerate(shown, 1)
    ]
    text = fill(templates.self_instruct, count=str(listed))
    return f"{text}\n{''.join(tasks)}###\n{_cue(len(shown))}"


def parse_self_instruct(
    completion: str, *, shown: int, cut: bool, lines: InstructionLines = "one_line"
) -> list[Candidate]:
    """A candidate for each task, in order.

    Args:
        shown: Examples in the prompt, whose numbers the completion continues.
        cut: The token limit ended the completion, so that its last task may be half a task.
    """
    text = _cue(shown) + completion
    starts = [match.start() for match in HEADER.finditer(text)]
    pieces = [text[start:end] for start, end in zip(starts, [*starts[1:], None], strict=True)]
    candidates = [_parse_task(piece, lines) for piece in pieces]
    # A task that is followed by the separator is whole.
    if cut and not SEPARATOR.search(pieces[-1]):
        rejection = Rejection(Reason.TRUNCATED, "the token limit ended this task")
        last = candidates[-1]
        candidates[-1] = Candidate(last.raw, last.text, last.input, rejection)
    # The first header comes from the prompt, not from the model.
    first = candidates[0]
    raw = first.raw.removeprefix(_cue(shown))
    candidates[0] = Candidate(raw, first.text, first.input, first.rejection)
    return candidates


def _parse_task(piece: str, lines: InstructionLines) -> Candidate:
    # The published scripts split at the sign wherever it stands.
    task = re.split("###" if lines == "as_written" else SEPARATOR, piece, maxsplit=1)[0]
    header = HEADER.match(task)
    body = task[header.end() :] if header else task
    parts = INPUT.split(body)
    instruction = parts[0].strip() if lines == "as_written" else _one_line(parts[0])
    if len(parts) != 2:
        evidence = f"{len(parts) - 1} Input headers: {shorten(body.strip())}"
        return Candidate(piece, instruction, rejection=Rejection(Reason.MALFORMED, evidence))
    input_ = OUTPUT.split(parts[1], maxsplit=1)[0].strip()
    input_ = HALF_SEPARATOR.sub("", input_).strip()
    return Candidate(piece, instruction, "" if ABSENT.fullmatch(input_) else input_)


def _one_line(instruction: str) -> str:
    """As the published scripts show a seed: white space collapsed, one final colon removed."""
    return " ".join(instruction.split()).removesuffix(":").rstrip()


def _cue(shown: int) -> str:
    return f"{shown + 1}. Instruction:"
