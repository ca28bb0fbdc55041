"""Candidates to rows of the ledger, and the verdicts of the local filters."""

from collections.abc import Sequence
from dataclasses import replace

from selfalign.errors import SelfAlignError
from selfalign.filters.rejection import Rejection
from selfalign.inference.contract.engine import Completion
from selfalign.prompt_synthesizer.candidates import Candidate, Reason
from selfalign.prompt_synthesizer.prompt_filters import check_instruction
from selfalign.prompt_synthesizer.synthesis_requests import CompletionOrError, SynthesisRequest
from selfalign.prompt_synthesizer.synthesizer_settings import PromptFilterSettings
from selfalign.prompt_synthesizer.topic_guided import Hint
from selfalign.storage.rows import Row, RowStatus, content_hash, prompt_id

Scope = tuple[str | int, ...]
"""What makes a row's id, next to its number in the completion."""


def instruction_rows(
    scope: Scope,
    request: SynthesisRequest,
    answer: CompletionOrError,
    candidates: Sequence[Candidate],
    source: str = "self_instruct",
) -> list[Row]:
    """A row for each candidate of a completion; one row for a completion that has none."""
    first = _blank_row(scope, 0, request, answer, source)
    if isinstance(answer, SelfAlignError):
        return [first.failed(answer)]
    rows = []
    for number, candidate in enumerate(candidates):
        row = first if number == 0 else _blank_row(scope, number, request, None, first.source)
        row = replace(row, finish_reason=answer.finish_reason)
        rows.append(_with_instruction(row, candidate))
    return rows or [_rejected(first, Rejection(Reason.EMPTY, "the completion holds no task"))]


def hint_rows(
    scope: Scope,
    request: SynthesisRequest,
    answer: CompletionOrError,
    candidates: Sequence[Candidate],
) -> list[Row]:
    """Exactly one row for each hint of the request."""
    rows = []
    for number, hint in enumerate(request.hints):
        row = _blank_row(
            scope, number, request, answer if number == 0 else None, "topic_guided", hint
        )
        if isinstance(answer, SelfAlignError):
            rows.append(row.failed(answer))
            continue
        row = replace(row, finish_reason=answer.finish_reason)
        rows.append(_with_instruction(row, candidates[number]))
    return rows


def topic_rows(
    scope: Scope,
    question_type: str,
    request: SynthesisRequest,
    answer: CompletionOrError,
    candidates: Sequence[Candidate],
) -> list[Row]:
    """A row for each topic candidate; one row for a completion that has none."""
    kind = Hint(question_type, "")
    first = _blank_row(scope, 0, request, answer, "topic", kind)
    if isinstance(answer, SelfAlignError):
        return [first.failed(answer)]
    rows = []
    for number, candidate in enumerate(candidates):
        row = first if number == 0 else _blank_row(scope, number, request, None, "topic", kind)
        row = replace(
            row,
            prompt_id=content_hash(question_type, candidate.text),
            topic=candidate.text,
            completion=candidate.raw,
            finish_reason=answer.finish_reason,
        )
        rows.append(_rejected(row, candidate.rejection))
    return rows or [_rejected(first, Rejection(Reason.EMPTY, "the completion holds no line"))]


def judge_instruction(row: Row, settings: PromptFilterSettings, examples: Sequence[str]) -> Row:
    """The row after the local filters."""
    if row.status is not RowStatus.ACCEPTED:
        return row
    return _rejected(row, check_instruction(row.instruction, row.input, settings, examples))


class TopicQuota:
    """The topics of one question type: those that are known, and how many are still wanted."""

    def __init__(self, known: Sequence[str], wanted: int) -> None:
        self.known = list(dict.fromkeys(known))
        self.wanted = wanted
        self._taken = {topic.casefold() for topic in self.known}

    def judge(self, row: Row) -> Row:
        """The row after the checks against the known topics; an accepted one becomes known."""
        if row.status is not RowStatus.ACCEPTED:
            return row
        if row.topic.casefold() in self._taken:
            return _rejected(row, Rejection(Reason.DUPLICATE_TOPIC, row.topic))
        if self.wanted <= 0:
            return _rejected(row, Rejection(Reason.SURPLUS, "the quota of the type is reached"))
        self.wanted -= 1
        self.known.append(row.topic)
        self._taken.add(row.topic.casefold())
        return row


def _blank_row(
    scope: Scope,
    number: int,
    request: SynthesisRequest,
    answer: CompletionOrError | None,
    source: str,
    hint: Hint | None = None,
) -> Row:
    """A row without text; `answer` only for the row that bears the costs of the completion."""
    row_id = content_hash(*map(str, (*scope, number)))
    row = Row(
        row_id=row_id,
        prompt_id=row_id,
        status=RowStatus.ACCEPTED,
        source=source,
        question_type=hint.question_type if hint else "",
        topic=hint.topic if hint else "",
        seed=request.seed,
    )
    if isinstance(answer, Completion):
        return replace(
            row,
            prompt_tokens=answer.prompt_tokens,
            completion_tokens=answer.completion_tokens,
            latency_ms=answer.latency_ms,
        )
    return row


def _with_instruction(row: Row, candidate: Candidate) -> Row:
    row = replace(
        row,
        prompt_id=prompt_id(candidate.text, candidate.input) if candidate.text else row.row_id,
        instruction=candidate.text,
        input=candidate.input,
        completion=candidate.raw,
    )
    return _rejected(row, candidate.rejection)


def _rejected(row: Row, rejection: Rejection | None) -> Row:
    return row.rejected(str(rejection.reason), rejection.evidence) if rejection else row
