"""The filters that need the constitution; the others are in selfalign.filters."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from selfalign.answering.answer_filter import AnswerFilter
from selfalign.constitution.parse import CitedRule, ParsedCompletion
from selfalign.constitution.render import join_input
from selfalign.constitution.schema import Constitution
from selfalign.filters import checks
from selfalign.filters.checks import excerpt
from selfalign.filters.rejection import Rejection, first_rejection
from selfalign.filters.words import Gram, ngrams, overlap, words
from selfalign.principle_engine.align_settings import AlignFilterSettings, OverlapSettings
from selfalign.storage.rows import PromptItem

_LEAD_NGRAM = 4


@dataclass(frozen=True, slots=True)
class CandidateAnswer:
    """An answer about to be judged."""

    item: PromptItem
    thoughts: str
    answer: str
    complete: bool


class AlignFilter:
    """All filters of stage 2 for one constitution."""

    def __init__(self, c: Constitution, settings: AlignFilterSettings) -> None:
        self._c = c
        self._settings = settings
        self._answer_form = AnswerFilter(c, settings)
        w = c.wording
        self._headers = (w.user_header, w.thoughts_header, w.answer_header, w.auto_reply_header)
        self._exemplars = exemplar_grams(c, settings.exemplar_overlap.ngram)
        replies = [exemplar.auto_reply for exemplar in c.exemplars]
        whole = [*(turn.answer for _, turn in c.turns()), *replies]
        self._exemplar_answers = frozenset(tuple(words(text)) for text in whole)
        self._lead = frozenset(ngrams(_stems(c.wording.rules_lead), _LEAD_NGRAM))
        self._citations = tuple(f"{p.id} ({p.name})" for p in c.principles)

    def form(self, parsed: ParsedCompletion) -> Rejection | None:
        """The first objection to a completion's form, or None."""
        return first_rejection(self._form(parsed))

    def answer(self, candidate: CandidateAnswer) -> Rejection | None:
        """The first objection to the answer, or None."""
        return first_rejection(self._answer(candidate))

    def _form(self, parsed: ParsedCompletion) -> Iterator[Rejection | None]:
        if self._settings.require_opening:
            yield opening_missing(parsed, self._c.wording.opening)
        yield answer_missing(parsed, self._c.wording.answer_header)
        if self._settings.require_rule_agreement:
            yield rules_disagree(parsed.rules, self._c)

    def _answer(self, one: CandidateAnswer) -> Iterator[Rejection | None]:
        s, item = self._settings, one.item
        yield checks.empty(one.answer)
        yield checks.truncated(one.complete, s.truncated, one.answer)
        if s.turn_markers:
            yield checks.holds_marker(one.answer, self._headers, "turn_marker")
        tokens = words(one.answer)
        asked = words(join_input(item.instruction, item.input))
        if s.exemplar_overlap.enabled:
            yield self._exemplar_leak(tokens, asked)
        if s.thoughts_overlap.enabled:
            yield self._restates_thoughts(one, tokens, asked)
        if s.refusals == "reject":
            yield checks.begins_with(one.answer, s.refusal_openings, "refusal")
        yield from self._answer_form.objections(item.instruction, item.input, one.answer)
        if one.complete:
            yield checks.too_short(one.answer, s.min_chars)

    def _exemplar_leak(self, tokens: list[str], asked: list[str]) -> Rejection | None:
        """`exemplar_leak`: the answer repeats an exemplar; the user's own words do not count."""
        s = self._settings.exemplar_overlap
        if tuple(tokens) in self._exemplar_answers:
            return Rejection("exemplar_leak", f"is an exemplar's answer: {' '.join(tokens[:20])}")
        return leak(tokens, self._exemplars, asked, s, "exemplar_leak")

    def _restates_thoughts(
        self, one: CandidateAnswer, tokens: list[str], asked: list[str]
    ) -> Rejection | None:
        """`thoughts_restated`: the answer is about the user and the rules, not about the matter."""
        w, s = self._c.wording, self._settings.thoughts_overlap
        for phrase in (w.opening, w.rules_lead, *self._citations):
            if phrase in one.answer:
                return Rejection("thoughts_restated", f"holds {phrase!r}: {excerpt(one.answer)}")
        cited = overlap(_stems(one.answer), self._lead, _LEAD_NGRAM).longest
        if cited:
            return Rejection("thoughts_restated", f"names the rules: {' '.join(cited)}")
        thoughts = words(analysis(one.thoughts, self._c))
        reason, known = "thoughts_restated", frozenset(ngrams(thoughts, s.ngram))
        return leak(tokens, known, asked, s, reason) or leak(
            thoughts, frozenset(ngrams(tokens, s.ngram)), asked, s, reason
        )


def opening_missing(parsed: ParsedCompletion, opening: str) -> Rejection | None:
    """`opening_missing`: the thoughts do not begin with the opening sentence."""
    if parsed.opened:
        return None
    return Rejection("opening_missing", f"expected {opening!r}: {excerpt(parsed.thoughts)}")


def answer_missing(parsed: ParsedCompletion, header: str) -> Rejection | None:
    """`answer_missing`: no header of an answer follows the thoughts."""
    if parsed.answer is not None:
        return None
    return Rejection("answer_missing", f"no {header!r} after: ...{parsed.thoughts[-80:]}")


def rules_disagree(rules: Iterable[CitedRule], c: Constitution) -> Rejection | None:
    """`rules_disagree`: a cited number is unknown, or its name is another principle's."""
    names = {principle.id: principle.name for principle in c.principles}
    wrong = [rule for rule in rules if not rule.agrees]
    if not wrong:
        return None
    cited = ", ".join(
        f"{rule.id} ({rule.name}) is {names.get(rule.id, 'no principle')}" for rule in wrong
    )
    return Rejection("rules_disagree", cited)


def leak(
    tokens: list[str],
    known: Collection[Gram],
    asked: list[str],
    settings: OverlapSettings,
    reason: str,
) -> Rejection | None:
    """`reason`: too many of the words come from `known`; those of the prompt do not count."""
    n = settings.ngram
    found = overlap(tokens, known, n, frozenset(ngrams(asked, n)))
    if found.share <= settings.max_share and len(found.longest) <= settings.max_run:
        return None
    return Rejection(
        reason,
        f"{found.share:.0%} of its {n}-grams, {len(found.longest)} words in a row: "
        f"{excerpt(' '.join(found.longest))}",
    )


def exemplar_grams(c: Constitution, n: int) -> frozenset[Gram]:
    """The n-grams of the exemplars' answers and analyses and of the automatic replies."""
    texts = [text for _, turn in c.turns() for text in (turn.answer, turn.analysis)]
    texts += [exemplar.auto_reply for exemplar in c.exemplars]
    return frozenset(gram for text in texts for gram in ngrams(words(text), n))


def analysis(thoughts: str, c: Constitution) -> str:
    """The thoughts without their opening and their rules sentence."""
    return thoughts.removeprefix(c.wording.opening).split(c.wording.rules_lead)[0].strip()


def _stems(text: str) -> list[str]:
    """Words without a final s: a small model writes `the principle that matters`."""
    return [word.removesuffix("s") for word in words(text)]
