"""Filters of answers: each is a function that says why a text is rejected, or gives None.

Reasons are stable: they are the keys of the funnel in manifests and reports.
"""

import re
from collections.abc import Sequence
from typing import Literal

from selfalign.filters.rejection import Rejection
from selfalign.filters.repeats import LoopSettings, cut_loops, distinct_share, without_code
from selfalign.filters.words import words

Truncated = Literal["reject", "keep"]
EVIDENCE_CHARS = 160
_MIN_INPUT_WORDS = 5
_LONGEST_WORD = 40
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_LAST_WORD = re.compile(r"(?<=\s)\S+$")
_SENTENCE_END = (".", "!", "?", "。", "！", "？", '"', "”", ")", "`")


def excerpt(text: str) -> str:
    """The beginning of a text, for evidence."""
    return text if len(text) <= EVIDENCE_CHARS else f"{text[:EVIDENCE_CHARS]}..."


def empty(answer: str) -> Rejection | None:
    """`answer_empty`: nothing is left of the answer."""
    return None if answer.strip() else Rejection("answer_empty", "the answer has no text")


def too_short(answer: str, min_chars: int) -> Rejection | None:
    """`too_short`: fewer than `min_chars` characters."""
    if len(answer) >= min_chars:
        return None
    return Rejection("too_short", f"{len(answer)} of {min_chars} characters: {excerpt(answer)}")


def control_characters(answer: str) -> Rejection | None:
    """`control_characters`: the answer holds one that no text needs: NUL, an escape, a bell."""
    found = _CONTROL.search(answer)
    if found is None:
        return None
    around = answer[max(0, found.start() - 30) : found.end() + 30]
    return Rejection("control_characters", f"holds {found[0]!r}: {around!r}")


def truncated(complete: bool, mode: Truncated, answer: str) -> Rejection | None:
    """`truncated`: the token limit ended the answer."""
    if complete or mode == "keep":
        return None
    return Rejection("truncated", f"the token limit ended it at: ...{answer[-60:]}")


def unfinished(answer: str) -> Rejection | None:
    """`unfinished`: the answer ends by announcing what does not come."""
    if not answer.endswith((":", ",", "：", "，")):
        return None
    return Rejection("unfinished", f"ends with {answer[-1]!r}: ...{answer[-60:]}")


def holds_marker(answer: str, markers: Sequence[str], reason: str) -> Rejection | None:
    """`reason`: a line of the answer begins with a header of the prompt's layout."""
    if not any(marker in answer for marker in markers):
        return None
    for line in answer.splitlines():
        for marker in markers:
            if line.lstrip().startswith(marker):
                return Rejection(reason, f"a line begins with {marker!r}: {excerpt(line)}")
    return None


def begins_with(answer: str, openings: Sequence[str], reason: str) -> Rejection | None:
    """`reason`: the answer begins with one of the openings, whatever the case and apostrophe."""
    start = answer.lstrip().replace("’", "'").casefold()
    for opening in openings:
        if start.startswith(opening.casefold()):
            return Rejection(reason, f"begins with {opening!r}: {excerpt(answer)}")
    return None


def prompt_copied(answer: str, instruction: str, input: str, max_share: float) -> Rejection | None:
    """`prompt_copied`: the answer is the prompt again, or mostly so.

    The instruction is looked for anywhere in the answer; the input only as the whole answer, since
    a corrected or sorted text may hold much of it.
    """
    said = words(answer)
    asked, given = words(instruction), words(input)
    if said and said in (asked, given, asked + given):
        return Rejection("prompt_copied", f"repeats the prompt: {excerpt(answer)}")
    mostly = len(asked) > 3 and len(asked) > max_share * len(said)
    if mostly and f" {' '.join(asked)} " in f" {' '.join(said)} ":
        share = len(asked) / len(said)
        return Rejection("prompt_copied", f"{share:.0%} of the answer is the instruction")
    return None


def input_copied(answer: str, input: str, max_share: float) -> Rejection | None:
    """`input_copied`: the input stands in the answer unchanged, and is most of it.

    Letter for letter, so that a corrected or punctuated text is none; nor is one that goes on from
    the input's end, as a story or a program to be completed does."""
    given, said = " ".join(input.split()), " ".join(answer.split())
    if len(given.split()) < _MIN_INPUT_WORDS or given not in said:
        return None
    before, _, after = said.partition(given)
    if not before.strip("`\"' ") and len(after.split()) >= _MIN_INPUT_WORDS:
        return None
    share = len(given) / len(said)
    if share <= max_share:
        return None
    return Rejection("input_copied", f"{share:.0%} of the answer is the input, unchanged")


def looped(answer: str, settings: LoopSettings) -> Rejection | None:
    """`loop`: the answer holds a loop, which a stage would cut."""
    kept = cut_loops(answer, settings)
    if kept == answer:
        return None
    return Rejection("loop", f"repeats from here on: {excerpt(answer[len(kept) :].strip())}")


def repetitive(answer: str, min_distinct: float, min_words: int = 40) -> Rejection | None:
    """`repetitive`: too few distinct runs of four words outside of code, in a text long enough."""
    text = without_code(answer) if "```" in answer else answer
    if len(text.split()) < min_words:
        return None
    share = distinct_share(text)
    if share >= min_distinct:
        return None
    return Rejection("repetitive", f"{share:.2f} of its 4-grams are distinct, below {min_distinct}")


def drop_partial_word(answer: str) -> str:
    """A truncated answer without the word that the limit may have cut.

    An answer of a single word keeps it, and so does a text that is written without spaces: what
    was said does not become empty, nor lose a sentence, because its end is uncertain.
    """
    text = answer.rstrip()
    # White space after the last word: the limit came between two words.
    if text != answer or text.endswith(_SENTENCE_END):
        return text
    found = _LAST_WORD.search(text)
    if not found or found.end() - found.start() > _LONGEST_WORD:
        return text
    return text[: found.start()].rstrip() or text


def replace_name(answer: str, name: str, new: str) -> str:
    """The assistant's codename replaced by the student's name."""
    return answer.replace(name, new) if name != new else answer
