"""Rendering: the in-context prompt of stage 2 and the student's prompts of stages 3 and 4.

All functions are pure: equal constitutions give equal bytes, so that prefix caches hit.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from selfalign.constitution.schema import RULES_PLACE, Constitution, Exemplar, MetaPrompt, Turn

GAP = "\n\n"
Meta = Literal["standard", "concise"]


@dataclass(frozen=True, slots=True)
class StudentLayout:
    """What training needs to lay out a student's text:

    strip(meta) + "\\n" + instruction [+ "\\n\\n" + input] + assistant_header + answer + end_marker
    """

    meta_prompts: tuple[str, ...]
    """Standard first: the only one of the paper's stage 3."""
    user_header: str
    assistant_header: str
    end_marker: str


def render_prefix(c: Constitution) -> str:
    """Principles and exemplars, up to and including the header of the user's next turn."""
    w = c.wording
    rules = "\n".join(f"{p.id} ({p.name}). {p.text}" for p in c.principles)
    head = (w.title, w.rules_heading, w.rules_intro, rules, w.examples_heading, w.examples_intro)
    turns = (text for exemplar in c.exemplars for text in _exemplar(c, exemplar))
    return GAP.join((*head, *turns, w.user_header))


def render_query(c: Constitution, instruction: str, input: str = "") -> str:
    """What follows the prefix: the user's turn, up to the header of the thoughts."""
    return f" {join_input(instruction, input)}{GAP}{c.wording.thoughts_header}"


def render_answer_cue(c: Constitution, thoughts: str) -> str:
    """What follows the query in two-call alignment: the thoughts, up to the answer's header."""
    return f" {thoughts.strip()}{GAP}{c.wording.answer_header}"


def render_thoughts(c: Constitution, analysis: str, rules: Iterable[int]) -> str:
    """Opening sentence, analysis and rules sentence, as in the exemplars."""
    names = {principle.id: principle.name for principle in c.principles}
    cited = ", ".join(f"{rule} ({names[rule]})" for rule in rules)
    return f"{c.wording.opening} {analysis} {c.wording.rules_sentence.replace(RULES_PLACE, cited)}"


def render_meta(c: Constitution, meta: MetaPrompt, heading: str) -> str:
    """A student's meta prompt, up to and including the heading of the user's turn."""
    s = c.student
    parts = [s.title, s.overview_heading, meta.overview, s.conversation_heading]
    for turn in meta.turns:
        parts += [f"{s.user_heading}\n{turn.user}", f"{heading}\n{turn.answer}"]
    return GAP.join((*parts, s.user_heading))


def render_student_prompt(
    c: Constitution, instruction: str, input: str = "", meta: Meta = "standard"
) -> str:
    """A student's whole prompt: what it is trained on and asked with."""
    chosen = c.student.standard if meta == "standard" else c.student.concise
    return _student(c, chosen, c.student.assistant_heading, join_input(instruction, input))


def render_verbose_prompt(c: Constitution, instruction: str, input: str = "") -> str:
    """The prompt of stage 4, which asks the engraved model for a fuller answer."""
    query = join_input(instruction, input)
    return _student(c, c.student.verbose, c.student.verbose_heading, query)


def student_layout(c: Constitution) -> StudentLayout:
    """The student's meta prompts and headers, rendered."""
    s = c.student
    return StudentLayout(
        meta_prompts=tuple(render_meta(c, m, s.assistant_heading) for m in (s.standard, s.concise)),
        user_header=f"{GAP}{s.user_heading}\n",
        assistant_header=f"{GAP}{s.assistant_heading}\n",
        end_marker=f"{GAP}{s.user_heading}\n",
    )


def engine_stops(c: Constitution) -> tuple[str, ...]:
    """Stop sequences of stage 2: the turns that may follow an answer; three of TGI's four."""
    w = c.wording
    headers = (w.user_header, w.thoughts_header, w.auto_reply_header)
    return tuple(dict.fromkeys(f"{GAP}{header}" for header in headers))


def student_stops(c: Constitution) -> tuple[str, ...]:
    """Stop sequences of a student: the next turn's heading, of the user or its own."""
    s = c.student
    headings = dict.fromkeys((s.user_heading, s.assistant_heading, s.verbose_heading))
    # `### Name (extensive)` begins with `### Name`, as a rule: the shorter one is enough.
    shortest = (h for h in headings if not any(h != o and h.startswith(o) for o in headings))
    return tuple(f"\n{heading}" for heading in shortest)


def join_input(instruction: str, input: str) -> str:
    """Instruction and input, if there is any, with a blank line between them."""
    instruction, input = instruction.strip(), input.strip()
    return f"{instruction}{GAP}{input}" if input else instruction


def _student(c: Constitution, meta: MetaPrompt, heading: str, query: str) -> str:
    return f"{render_meta(c, meta, heading).strip()}\n{query}{GAP}{heading}\n"


def _exemplar(c: Constitution, exemplar: Exemplar) -> Iterator[str]:
    w = c.wording
    for turn in exemplar.turns:
        yield from _turn(c, turn)
    yield f"{w.user_header} {w.clear_context}"
    yield f"{w.auto_reply_header} {exemplar.auto_reply}"


def _turn(c: Constitution, turn: Turn) -> Iterator[str]:
    w = c.wording
    yield f"{w.user_header} {join_input(turn.user, turn.input)}"
    yield f"{w.thoughts_header} {render_thoughts(c, turn.analysis, turn.rules)}"
    yield f"{w.answer_header} {turn.answer}"
