"""The authors' filters of stage 2 on an engine's completion, under any constitution."""

from selfalign.constitution.render import GAP, student_layout
from selfalign.constitution.schema import Constitution
from selfalign.filters.published import AlignTexts, Judged, judge_aligned
from selfalign.filters.published_texts import SOURCE_LEAD, leaking_texts
from selfalign.inference.contract.engine import Completion


class PublishedAlignFilter:
    """`preset: published` of stage 2."""

    def __init__(self, c: Constitution) -> None:
        w = c.wording
        answers = tuple(turn.answer for _, turn in c.turns())
        self._next_turn = f"{GAP}{w.user_header}"
        self.stops = (self._next_turn,)
        """The one turn at which an answer ends by itself; all others are part of the text."""
        self._texts = AlignTexts(
            opening=w.opening,
            user_header=w.user_header,
            answer_header=w.answer_header,
            auto_reply_header=w.auto_reply_header,
            clear_context=w.clear_context,
            end_marker=student_layout(c).end_marker,
            name=c.name,
            student_name=c.student.name,
            exemplar_texts=leaking_texts(answers),
            source_lead=SOURCE_LEAD.find(answers),
        )

    def judge(self, completion: Completion) -> Judged:
        """The authors' verdict. What ended before the token limit counts as followed by a turn of
        the user's: their engine could not end otherwise."""
        text = completion.text
        if completion.finish_reason != "length":
            text += self._next_turn
        return judge_aligned(text, self._texts)
