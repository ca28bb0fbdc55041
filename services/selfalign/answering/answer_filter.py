"""The filters of form for one constitution: what stages 2 and 4 and the evaluation ask alike."""

from collections.abc import Iterable, Iterator

from selfalign.constitution.render import join_input
from selfalign.constitution.schema import Constitution
from selfalign.filters import checks, leaks
from selfalign.filters.form_settings import FormFilterSettings
from selfalign.filters.language import other_language
from selfalign.filters.parts import repeated_part
from selfalign.filters.rejection import Rejection
from selfalign.filters.words import Gram, ngrams, overlap, words

_NGRAM = 5


class AnswerFilter:
    """Judges answers by their form, beside their prompts and the constitution's texts."""

    def __init__(self, c: Constitution, settings: FormFilterSettings) -> None:
        self._settings = settings
        student = c.student
        headings = (student.user_heading, student.assistant_heading, student.verbose_heading)
        self._headings = tuple(dict.fromkeys((*headings, student.title, student.overview_heading)))
        same = student.verbose_heading == student.assistant_heading
        self._names = () if same else (verbose_name(c),)
        self._overview = frozenset(ngrams(words(student.verbose.overview), _NGRAM))
        self._sections = leaks.section_pattern(settings.section_headings)
        self._turns = leaks.turn_grams(exemplar_turns(c), settings.exemplar_turn_run or 1)
        self._citations = tuple(f"{p.id} ({p.name})" for p in c.principles)
        self._begins = leaks.introduction_pattern((c.name, c.student.name))
        metas = (student.standard, student.verbose)
        self._introductions = frozenset(
            gram
            for meta in metas
            for turn in meta.turns
            for gram in ngrams(words(turn.answer), _NGRAM)
        )
        self._asks_for_introduction = frozenset(
            tuple(words(turn.user)) for meta in metas for turn in meta.turns
        )

    def passes(self, instruction: str, input: str, answer: str, *, complete: bool) -> bool:
        """Whether an answer, as a model wrote it, would be a usable one: whole, without a loop
        and without an objection of any filter of form.

        Args:
            complete: the answer ended by itself, before the token limit.
        """
        return not any(self.all_objections(instruction, input, answer, complete=complete))

    def all_objections(
        self, instruction: str, input: str, answer: str, *, complete: bool
    ) -> list[Rejection]:
        """Every filter's objection to an answer as a model wrote it; each reason is a column.

        Unlike a stage, which cuts loops and may keep what the token limit ended, it objects to
        both (`loop`, `truncated`).
        """
        found = (
            checks.empty(answer),
            checks.truncated(complete, "reject", answer),
            checks.looped(answer, self._settings.loops),
            *self.objections(instruction, input, answer),
        )
        return [one for one in found if one is not None]

    def objections(self, instruction: str, input: str, answer: str) -> Iterator[Rejection | None]:
        """Each filter's verdict on an answer whose loops have been cut, made when it is asked."""
        s, prompt = self._settings, join_input(instruction, input)
        tokens, asked = words(answer), words(prompt)
        if s.unfinished:
            yield checks.unfinished(answer)
        if s.control_characters:
            yield checks.control_characters(answer)
        if s.header_leak:
            yield checks.holds_marker(answer, self._headings, "header_leak")
            yield leaks.name_leak(answer, self._names)
        yield repeats_text(tokens, asked, self._overview, s.meta_leak_run, "meta_leak")
        yield leaks.section_heading(answer, self._sections)
        if s.exemplar_turn_run:
            yield leaks.exemplar_turn(tokens, asked, self._turns)
        if s.rules_cited:
            yield leaks.rules_cited(answer, prompt, self._citations)
        if tuple(asked) not in self._asks_for_introduction:
            yield repeats_text(
                tokens, asked, self._introductions, s.introduction_run, "introduces_itself"
            )
            if s.introductions:
                yield leaks.introduction(answer, prompt, self._begins)
        if s.other_language:
            yield other_language(answer, prompt)
        if s.prompt_copy_share < 1:
            yield checks.prompt_copied(answer, instruction, input, s.prompt_copy_share)
        if s.input_copy_share < 1:
            yield checks.input_copied(answer, input, s.input_copy_share)
        if s.repeated_parts:
            yield repeated_part(answer)
        if s.min_distinct:
            yield checks.repetitive(answer, s.min_distinct)


def verbose_name(c: Constitution) -> str:
    """The verbose heading without its marks: `Name (extensive)`."""
    return c.student.verbose_heading.lstrip("#").strip()


def exemplar_turns(c: Constitution) -> Iterable[str]:
    """What the user and the automatic reply say in the exemplars."""
    for _, turn in c.turns():
        yield join_input(turn.user, turn.input)
    for exemplar in c.exemplars:
        yield exemplar.auto_reply
        yield f"{c.wording.clear_context} {exemplar.auto_reply}"


def repeats_text(
    tokens: list[str], asked: list[str], known: frozenset[Gram], max_run: int, reason: str
) -> Rejection | None:
    """`reason`: more than `max_run` words in a row are those of a prompt's text."""
    if not max_run:
        return None
    found = overlap(tokens, known, _NGRAM, frozenset(ngrams(asked, _NGRAM)))
    if len(found.longest) <= max_run:
        return None
    run = checks.excerpt(" ".join(found.longest))
    return Rejection(reason, f"{len(found.longest)} words in a row: {run}")
