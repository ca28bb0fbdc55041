"""Events: what one process writes the other reads, and nothing else is taken for one."""

import io
import json
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from selfalign.events import Event, Note, Rows, StageDone, Step, emit, from_worker, parse

KINDS: tuple[type[BaseModel], ...] = get_args(Event)


def written(event: Event) -> str:
    stream = io.StringIO()
    emit(event, stream)
    return stream.getvalue()


FINITE = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.dictionaries(st.text(), st.one_of(st.integers(0, 2**40), st.text(), FINITE), max_size=3)


def strategy(kind: type[BaseModel]) -> st.SearchStrategy[BaseModel]:
    """Events of one kind, of what JSON can carry."""
    made: dict[str, st.SearchStrategy[object]] = {}
    for name, field in kind.model_fields.items():
        if float in (field.annotation, *get_args(field.annotation)):
            made[name] = FINITE
        elif name == "details":
            made[name] = JSON
    return st.builds(kind, **made)


@given(st.one_of(*map(strategy, KINDS)))
def test_every_event_comes_back_as_it_was(event: Event) -> None:
    line = written(event)
    assert line.endswith("\n")
    assert line.count("\n") == 1
    read = parse(line)
    assert type(read) is type(event)
    assert read == event


@pytest.mark.parametrize(
    "line",
    [
        "",
        "plain text",
        "{not json",
        '["event"]',
        '{"stage": "align"}',
        '{"event": "unknown"}',
        '{"event": "note"}',
        '{"event": "rows", "accepted": "many"}',
    ],
)
def test_other_lines_are_log_text(line: str) -> None:
    assert parse(line) is None


def test_lines_are_what_they_always_were() -> None:
    assert json.loads(written(Rows(accepted=3, worker=1))) == {
        "event": "rows", "total": 0, "accepted": 3, "rejected": 0, "failed": 0, "tokens": 0,
        "worker": 1,
    }  # fmt: skip
    step = Step(step=3, steps=15, loss=1.5)
    assert json.loads(written(step)) == {"event": "step", "step": 3, "steps": 15, "loss": 1.5}
    done = StageDone(stage="align", seconds=2.5, inputs=4, accepted=4, rejected=0, failed=0)
    assert json.loads(written(done))["stage"] == "align"


def test_lines_have_the_spaces_that_people_search_for() -> None:
    line = written(Rows(accepted=3))
    assert line.startswith('{"event": "rows", "total": 0, ')


def test_fields_of_a_newer_version_are_passed_over() -> None:
    assert parse('{"event": "note", "text": "x", "colour": "red"}') == Note(text="x")


def test_workers_are_numbered() -> None:
    heard: list[Event] = []
    sink = from_worker(heard.append, 3)
    sink(Rows(accepted=1))
    sink(Note(text="x"))
    assert heard == [Rows(accepted=1, worker=3), Note(text="x")]
