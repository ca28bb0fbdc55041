"""Rows and prompts survive the wire."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfalign.errors import DataError
from selfalign.rpc.convert import (
    prompt_from_message,
    prompt_to_message,
    row_from_message,
    row_to_message,
)
from selfalign.storage.rows import PromptItem, Row, RowStatus
from selfalign.v1 import common_pb2 as pb

# Protobuf strings are UTF-8, which has no surrogates.
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
INT32 = st.integers(0, 2**31 - 1)
ROWS = st.builds(
    Row,
    row_id=TEXT,
    prompt_id=TEXT,
    status=st.sampled_from(RowStatus),
    reason=TEXT,
    evidence=TEXT,
    source=TEXT,
    question_type=TEXT,
    topic=TEXT,
    instruction=TEXT,
    input=TEXT,
    completion=TEXT,
    thoughts=TEXT,
    rules=st.lists(INT32, max_size=20).map(tuple),
    answer=TEXT,
    complete=st.booleans(),
    attempt=INT32,
    seed=INT32,
    model_id=TEXT,
    finish_reason=TEXT,
    prompt_tokens=INT32,
    completion_tokens=INT32,
    latency_ms=st.floats(0, 2.0**60, width=32),
)


@given(ROWS)
def test_rows(row: Row) -> None:
    message = pb.Row.FromString(row_to_message(row).SerializeToString())
    assert row_from_message(message) == row


@given(st.builds(PromptItem, TEXT, TEXT, TEXT, INT32, st.integers(1, 9), TEXT, TEXT, TEXT))
def test_prompts(item: PromptItem) -> None:
    message = pb.Prompt.FromString(prompt_to_message(item).SerializeToString())
    assert prompt_from_message(message) == item


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
    # 13 us on an idle core; the bound is for a busy one.
    assert (time.process_time() - started) / count < 200e-6
