"""The filters of verbose answers; the ones shared with stage 2 are in selfalign.filters."""

import re
from collections.abc import Iterator, Sequence

from selfalign.answering.answer_filter import AnswerFilter, repeats_text
from selfalign.constitution.render import join_input
from selfalign.constitution.schema import Constitution
from selfalign.filters import checks
from selfalign.filters.checks import excerpt
from selfalign.filters.rejection import Rejection, first_rejection
from selfalign.filters.words import ngrams, words
from selfalign.refiner.refine_settings import RefineFilterSettings
from selfalign.storage.rows import PromptItem

_NGRAM = 5


class RefineFilter:
    """All filters of stage 4 for one constitution."""

    def __init__(self, c: Constitution, settings: RefineFilterSettings) -> None:
        self._settings = settings
        self._form = AnswerFilter(c, settings)
        s = c.student
        headings = (s.user_heading, s.assistant_heading, s.verbose_heading)
        self._headings = tuple(dict.fromkeys((*headings, s.title, s.overview_heading)))
        self._names = () if s.verbose_heading == s.assistant_heading else (verbose_name(c),)
        self._overview = frozenset(ngrams(words(s.verbose.overview), _NGRAM))
        self._sections = section_pattern(settings.section_headings)

    def answer(self, item: PromptItem, answer: str, complete: bool) -> Rejection | None:
        """The first objection to the answer, or None."""
        return first_rejection(self._answer(item, answer, complete))

    def _answer(self, item: PromptItem, answer: str, complete: bool) -> Iterator[Rejection | None]:
        s = self._settings
        yield checks.empty(answer)
        yield checks.truncated(complete, s.truncated, answer)
        if s.header_leak:
            yield checks.holds_marker(answer, self._headings, "header_leak")
            yield name_leak(answer, self._names)
        tokens = words(answer)
        asked = words(join_input(item.instruction, item.input))
        yield repeats_text(tokens, asked, self._overview, s.meta_leak_run, "meta_leak")
        yield section_heading(answer, self._sections)
        yield from self._form.objections(item.instruction, item.input, answer)
        yield checks.too_short(answer, s.min_chars if complete else s.min_chars_truncated)


def verbose_name(c: Constitution) -> str:
    """The verbose heading without its marks: `Name (extensive)`."""
    return c.student.verbose_heading.lstrip("#").strip()


def name_leak(answer: str, names: Sequence[str]) -> Rejection | None:
    """`header_leak`: the answer speaks of the verbose prompt's persona."""
    for name in names:
        place = answer.find(name)
        if place >= 0:
            around = answer[max(0, place - 40) : place + 80]
            return Rejection("header_leak", f"names {name!r}: {excerpt(around)}")
    return None


def section_pattern(headings: Sequence[str]) -> re.Pattern[str] | None:
    """Finds a line that is one of the headings, marked as one: `## See also`, `**See also**`."""
    if not headings:
        return None
    names = "|".join(map(re.escape, headings))
    return re.compile(
        rf"^[ \t]*(?:#{{1,6}}[ \t]*|==+[ \t]*|\*\*)({names})\b", re.MULTILINE | re.IGNORECASE
    )


def section_heading(answer: str, pattern: re.Pattern[str] | None) -> Rejection | None:
    """`section_heading`: a heading that only an encyclopedia page has."""
    match = pattern.search(answer) if pattern else None
    return Rejection("section_heading", f"holds the heading {match[0]!r}") if match else None
