"""The filters of verbose answers; the ones shared with stage 2 are in selfalign.filters."""

from collections.abc import Iterator

from selfalign.answering.answer_filter import AnswerFilter
from selfalign.constitution.schema import Constitution
from selfalign.filters import checks
from selfalign.filters.rejection import Rejection, first_rejection
from selfalign.refiner.refine_settings import RefineFilterSettings
from selfalign.storage.rows import PromptItem


class RefineFilter:
    """All filters of stage 4 for one constitution."""

    def __init__(self, c: Constitution, settings: RefineFilterSettings) -> None:
        self._settings = settings
        self._form = AnswerFilter(c, settings)

    def answer(self, item: PromptItem, answer: str, complete: bool) -> Rejection | None:
        """The first objection to the answer, or None."""
        return first_rejection(self._answer(item, answer, complete))

    def _answer(self, item: PromptItem, answer: str, complete: bool) -> Iterator[Rejection | None]:
        s = self._settings
        yield checks.empty(answer)
        yield checks.truncated(complete, s.truncated, answer)
        yield from self._form.objections(item.instruction, item.input, answer)
        yield checks.too_short(answer, s.min_chars if complete else s.min_chars_truncated)
