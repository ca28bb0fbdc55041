"""Rows and prompts survive the wire."""

import time
from dataclasses import field, make_dataclass, replace
from enum import StrEnum
from typing import Annotated, Any, get_type_hints

import pyarrow as pa
import pytest
from google.protobuf.message import Message
from hypothesis import given

from selfalign.errors import DataError
from selfalign.rpc.convert import (
    Codec,
    prompt_from_message,
    prompt_to_message,
    row_from_message,
    row_to_message,
)
from selfalign.storage.columns import Float32, Int32List, Int64, columns_of
from selfalign.storage.rows import PromptItem, Row, RowStatus
from selfalign.v1 import common_pb2 as pb
from support.records import records

MESSAGES: dict[type, type[Message]] = {Row: pb.Row, PromptItem: pb.Prompt}


@given(records(Row))
def test_rows(row: Row) -> None:
    message = pb.Row.FromString(row_to_message(row).SerializeToString())
    assert row_from_message(message) == row


@given(records(PromptItem))
def test_prompts(item: PromptItem) -> None:
    message = pb.Prompt.FromString(prompt_to_message(item).SerializeToString())
    assert prompt_from_message(message) == (item if item.attempt else replace(item, attempt=1))


def changed(record: type, without: str = "", **more: Any) -> type:
    """A dataclass of columns with some fields more, or of another type, and one less."""
    hints = get_type_hints(record, include_extras=True) | more
    given = [(name, hint, field(default=None)) for name, hint in hints.items() if name != without]
    return make_dataclass("Changed", given)


class Verdict(StrEnum):
    ACCEPTED = "accepted"
    POSTPONED = "postponed"


@pytest.mark.parametrize("record", [Row, PromptItem])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"extra": Float32}, "extra is in the class alone"),
        ({"without": "topic"}, "topic is in the message alone"),
        ({"topic": bool}, "topic is bool in the class, string in the message"),
        ({"attempt": Int64}, "attempt is int64 in the class, int32 in the message"),
        ({"seed": Int32List}, "seed is repeated int32 in the class, int64 in the message"),
        ({"seed": Annotated[int, pa.int8()]}, "seed is int8 in the class"),
    ],
)
def test_a_class_that_is_not_its_message_is_refused(
    record: type, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(TypeError, match=f"Changed and its message differ: {message}"):
        Codec(changed(record, **change), MESSAGES[record])


def test_an_enumeration_has_the_members_of_its_message() -> None:
    with pytest.raises(
        TypeError,
        match="status is enum of ACCEPTED, POSTPONED in the class, enum of ACCEPTED, REJECTED, FAI",
    ):
        Codec(changed(Row, status=Verdict), pb.Row)


def test_an_unset_field_means_the_default_of_an_added_column() -> None:
    """What a peer of an older version leaves out arrives as protobuf's zero."""
    for record, message in MESSAGES.items():
        for column in columns_of(record):
            if column.added:
                assert getattr(message(), column.name) == column.default


def test_an_attempt_that_is_not_set_is_the_first() -> None:
    assert prompt_from_message(pb.Prompt(prompt_id="a", instruction="b")).attempt == 1


def test_a_status_that_is_not_set_is_refused() -> None:
    with pytest.raises(DataError, match=r"row 'a': status 0 is unknown"):
        row_from_message(pb.Row(row_id="a"))


def test_conversion_is_cheap() -> None:
    row = Row(
        row_id="0123456789abcdef",
        prompt_id="0123456789abcdef",
        status=RowStatus.ACCEPTED,
        completion="word " * 400,
        answer="word " * 300,
        rules=(2, 3),
    )
    count = 2000
    started = time.process_time()
    for _ in range(count):
        row_from_message(row_to_message(row))
    # 10 us on an idle core; the bound is for a busy one.
    assert (time.process_time() - started) / count < 200e-6
