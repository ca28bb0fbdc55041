"""Rows and prompts to their messages and back: plain copies, on the path of every row."""

from selfalign.errors import DataError
from selfalign.storage.rows import PromptItem, Row, RowStatus
from selfalign.v1 import common_pb2 as pb

_TO_STATUS = {
    RowStatus.ACCEPTED: pb.ROW_STATUS_ACCEPTED,
    RowStatus.REJECTED: pb.ROW_STATUS_REJECTED,
    RowStatus.FAILED: pb.ROW_STATUS_FAILED,
}
_FROM_STATUS = {number: status for status, number in _TO_STATUS.items()}


def row_to_message(row: Row) -> pb.Row:
    """The row as a message. `latency_ms` becomes single precision."""
    return pb.Row(
        row_id=row.row_id,
        prompt_id=row.prompt_id,
        source=row.source,
        question_type=row.question_type,
        topic=row.topic,
        instruction=row.instruction,
        input=row.input,
        completion=row.completion,
        thoughts=row.thoughts,
        rules=row.rules,
        answer=row.answer,
        complete=row.complete,
        status=_TO_STATUS[row.status],
        reason=row.reason,
        evidence=row.evidence,
        attempt=row.attempt,
        seed=row.seed,
        model_id=row.model_id,
        finish_reason=row.finish_reason,
        prompt_tokens=row.prompt_tokens,
        completion_tokens=row.completion_tokens,
        latency_ms=row.latency_ms,
    )


def row_from_message(message: pb.Row) -> Row:
    """The message as a row.

    Raises:
        DataError: the status is not set, or one of a newer version.
    """
    status = _FROM_STATUS.get(message.status)
    if status is None:
        raise DataError(
            f"row {message.row_id!r}: status {message.status} is unknown; expected 1 (accepted), "
            "2 (rejected) or 3 (failed): are client and service of one version?"
        )
    return Row(
        row_id=message.row_id,
        prompt_id=message.prompt_id,
        source=message.source,
        question_type=message.question_type,
        topic=message.topic,
        instruction=message.instruction,
        input=message.input,
        completion=message.completion,
        thoughts=message.thoughts,
        rules=tuple(message.rules),
        answer=message.answer,
        complete=message.complete,
        status=status,
        reason=message.reason,
        evidence=message.evidence,
        attempt=message.attempt,
        seed=message.seed,
        model_id=message.model_id,
        finish_reason=message.finish_reason,
        prompt_tokens=message.prompt_tokens,
        completion_tokens=message.completion_tokens,
        latency_ms=message.latency_ms,
    )


def prompt_to_message(item: PromptItem) -> pb.Prompt:
    """The prompt as a message."""
    return pb.Prompt(
        prompt_id=item.prompt_id,
        instruction=item.instruction,
        input=item.input,
        seed=item.seed,
        attempt=item.attempt,
        source=item.source,
        question_type=item.question_type,
        topic=item.topic,
    )


def prompt_from_message(message: pb.Prompt) -> PromptItem:
    """The message as a prompt. An attempt that is not set counts as the first."""
    return PromptItem(
        prompt_id=message.prompt_id,
        instruction=message.instruction,
        input=message.input,
        seed=message.seed,
        attempt=message.attempt or 1,
        source=message.source,
        question_type=message.question_type,
        topic=message.topic,
    )
