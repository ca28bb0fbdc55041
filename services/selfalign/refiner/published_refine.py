"""The authors' filters of stage 4 on an engine's completion, under any constitution."""

import re

from selfalign.answering.answer_filter import verbose_name
from selfalign.constitution.schema import Constitution
from selfalign.filters.published import PERSON, Judged, RefineTexts, judge_refined
from selfalign.inference.contract.engine import Completion
from selfalign.storage.rows import PromptItem

_INTRODUCTION = re.compile(r"\S.*?[.!?]\s+\S.*?[.!?](?=\s|$)")


class PublishedRefineFilter:
    """`preset: published` of stage 4."""

    def __init__(self, c: Constitution) -> None:
        self._next_turn = f"{c.student.user_heading}\n"
        self.stops = (self._next_turn,)
        self._texts = RefineTexts(
            user_heading=c.student.user_heading,
            verbose_name=verbose_name(c),
            introduction=introduction(c),
            person_reply=next((t.answer for _, t in c.turns() if PERSON in t.user), ""),
        )

    def judge(self, item: PromptItem, completion: Completion) -> Judged:
        """The authors' verdict; what ended before the token limit counts as complete."""
        text = completion.text.strip()
        if completion.finish_reason != "length":
            text += f"\n\n{self._next_turn}"
        return judge_refined(text, item.instruction, item.input, self._texts)


def introduction(c: Constitution) -> str:
    """What counts as reciting the verbose prompt's self-introduction: the first two sentences of
    its last paragraph."""
    for turn in c.student.verbose.turns:
        found = _INTRODUCTION.match(turn.answer.rstrip().rpartition("\n")[2])
        if found:
            return found[0]
    return ""
