"""The authors' decisions on completions of stages 2 and 4, for `preset: published`.

Written from what their scripts decide (branch dromedary_v1 of the paper's repository): which words
they match is a fact of the method, and so are the places where they cut. Longer texts that they
match are the constitution's (see published_texts). Their known faults are kept: a repeated clause
ends an answer, and words of the exemplars drop whole subjects.
docs/reproducing.md lists the two decisions that are not taken over.
"""

import re
from dataclasses import dataclass

from selfalign.filters.checks import excerpt
from selfalign.filters.rejection import Rejection

ALIGN_DELIMITERS = "\n.?!;:,"
REFINE_DELIMITERS = f"{ALIGN_DELIMITERS}`"
EXEMPLAR_WORDS = (
    "president",
    "President",
    "Zhiqing",
    "1, 1, 4",
    "weather",
    "alpaca",
    "Alpaca",
)
"""What stage 2 drops an answer for, besides the layout's own headers and longer texts of the
exemplars."""
APOLOGIES = ("I'm sorry", "I am sorry")
PERSON = "Zhiqing"
"""The private person of an exemplar: stage 4 answers questions about them with a fixed text."""
SECTIONS = ("## See also", "## External links")
_ALIGN_MIN_CHARS = 160
"""The end marker included."""
_REFINE_MIN_CHARS = 128
_LONG_LIST = "\n13. "


@dataclass(frozen=True, slots=True)
class Judged:
    """An answer after the filters."""

    answer: str
    """Without the end marker."""
    complete: bool
    """Whether it keeps its end marker."""
    rejection: Rejection | None


@dataclass(frozen=True, slots=True)
class AlignTexts:
    """What stage 2's decisions take from the constitution."""

    opening: str
    user_header: str
    answer_header: str
    auto_reply_header: str
    clear_context: str
    end_marker: str
    name: str
    student_name: str
    exemplar_texts: tuple[str, ...] = ()
    """What an answer is dropped for, besides `EXEMPLAR_WORDS`."""
    source_lead: str = ""
    """An answer that begins so keeps but its last word, `Here`. Empty: none does."""


@dataclass(frozen=True, slots=True)
class RefineTexts:
    """What stage 4's decisions take from the constitution."""

    user_heading: str
    verbose_name: str
    introduction: str
    """Of the verbose prompt; an answer that holds it is dropped. Empty: none is."""
    person_reply: str
    """The answer to every question about `PERSON`. Empty: the answer stays."""


def judge_aligned(completion: str, texts: AlignTexts) -> Judged:
    """Stage 2's verdict on all that follows the header of the thoughts.

    An answer is complete where a blank line and the user's header follow it in the completion: an
    engine that stops there must append them. White space before the thoughts does not count.
    """
    body = completion.lstrip()
    if not body.startswith(texts.opening):
        return _rejected("opening_missing", f"expected {texts.opening!r}: {excerpt(body)}")
    _, header, rest = body.partition(f"\n\n{texts.answer_header}")
    if not header:
        return _rejected("answer_missing", f"no {texts.answer_header!r}: ...{body[-80:]}")
    kept = cut_at_first_repeat(rest.strip(), ALIGN_DELIMITERS)
    before, turn, _ = kept.partition(f"\n\n{texts.user_header}")
    complete = bool(turn)
    answer = before.strip() if complete else without_last_word(kept)
    rejection = _align_rejection(answer, complete, texts)
    answer = answer.replace(texts.name, texts.student_name)
    if texts.source_lead and answer.startswith(texts.source_lead):
        answer = f"Here{answer.removeprefix(texts.source_lead)}"
    return Judged(answer, complete, rejection)


def judge_refined(completion: str, instruction: str, input: str, texts: RefineTexts) -> Judged:
    """Stage 4's verdict; an answer is complete where `user_heading + "\\n"` follows it."""
    heading = texts.user_heading
    answer, turn, _ = completion.partition(f"{heading}\n")
    text = f"{answer.strip()}\n\n{heading}\n" if turn else without_last_word(completion)
    text = cut_at_first_repeat(text, REFINE_DELIMITERS)
    if texts.person_reply and (PERSON in instruction or PERSON in input):
        text = texts.person_reply
    rejection = None
    if PERSON in text:
        rejection = Rejection("exemplar_word", f"holds {PERSON!r}: {excerpt(text)}")
    text = text.split(_LONG_LIST)[0]
    complete = text == heading or text.endswith(f"\n\n{heading}")
    answer = text.removesuffix(heading).rstrip() if complete else text
    return Judged(answer, complete, rejection or _refine_rejection(text, answer, texts))


def cut_at_first_repeat(text: str, delimiters: str) -> str:
    """The text up to the first clause that it has said before; clauses end after a delimiter.

    Clauses compare letter for letter, with their white space; a single delimiter never counts.
    """
    said: set[str] = set()
    end = 0
    for clause in re.split(f"(?<=[{re.escape(delimiters)}])", text):
        if clause in said and clause not in delimiters:
            break
        said.add(clause)
        end += len(clause)
    return text[:end].strip()


def without_last_word(text: str) -> str:
    """The text up to its last space; all of it where there is none."""
    return text.rsplit(" ", 1)[0]


def _align_rejection(answer: str, complete: bool, texts: AlignTexts) -> Rejection | None:
    length = len(answer) + len(texts.end_marker)
    if complete and length < _ALIGN_MIN_CHARS:
        evidence = f"{length} of {_ALIGN_MIN_CHARS} characters: {excerpt(answer)}"
        return Rejection("too_short", evidence)
    for header in (texts.user_header, texts.auto_reply_header, texts.clear_context):
        if header in answer:
            return Rejection("turn_marker", f"holds {header!r}: {excerpt(answer)}")
    for word in (*EXEMPLAR_WORDS, *texts.exemplar_texts):
        if word in answer:
            return Rejection("exemplar_word", f"holds {word!r}: {excerpt(answer)}")
    if answer.startswith(APOLOGIES):
        return Rejection("refusal", f"begins with an apology: {excerpt(answer)}")
    if not answer and not complete:
        return Rejection("answer_empty", "the answer has no text")
    return None


def _refine_rejection(text: str, answer: str, texts: RefineTexts) -> Rejection | None:
    """`text` is the answer with its end marker."""
    if not answer.strip():
        return Rejection("answer_empty", "the answer has no text")
    if len(text) < _REFINE_MIN_CHARS and texts.user_heading not in text:
        evidence = f"{len(text)} of {_REFINE_MIN_CHARS} characters: {excerpt(text)}"
        return Rejection("too_short", evidence)
    body = text.split(texts.user_heading)[0]
    for section in SECTIONS:
        if section in body:
            return Rejection("section_heading", f"holds {section!r}")
    if texts.verbose_name in body:
        return Rejection("header_leak", f"names {texts.verbose_name!r}")
    if texts.introduction and texts.introduction in body:
        return Rejection("introduces_itself", f"holds {excerpt(texts.introduction)!r}")
    return None


def _rejected(reason: str, evidence: str) -> Judged:
    return Judged("", False, Rejection(reason, evidence))
