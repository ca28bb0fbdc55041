"""Schema and defaults follow from the class; parts of older versions stay readable."""

from dataclasses import dataclass, make_dataclass
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from selfalign.storage.columns import (
    Float32,
    Int32List,
    Since,
    arrow_schema,
    columns_of,
    fill_added,
)
from selfalign.storage.open import open_store
from selfalign.storage.rows import (
    PROMPT_FIELDS,
    ROW_COLUMNS,
    ROW_SCHEMA,
    PromptItem,
    Row,
    RowStatus,
)
from selfalign.storage.tables import create_part, parse_part, read_rows, to_rows

OLD_PART = Path(__file__).with_name("golden") / "part-version-1.parquet"
# What the files of schema version 1 hold. Later columns come after these.
VERSION_1 = pa.schema(
    [
        ("row_id", pa.string()),
        ("prompt_id", pa.string()),
        ("status", pa.string()),
        ("reason", pa.string()),
        ("evidence", pa.string()),
        ("source", pa.string()),
        ("question_type", pa.string()),
        ("topic", pa.string()),
        ("instruction", pa.string()),
        ("input", pa.string()),
        ("completion", pa.string()),
        ("thoughts", pa.string()),
        ("rules", pa.list_(pa.int32())),
        ("answer", pa.string()),
        ("complete", pa.bool_()),
        ("attempt", pa.int32()),
        ("seed", pa.int64()),
        ("model_id", pa.string()),
        ("finish_reason", pa.string()),
        ("prompt_tokens", pa.int32()),
        ("completion_tokens", pa.int32()),
        ("latency_ms", pa.float32()),
    ],
    metadata={"selfalign.schema_version": "1"},
)


def test_the_schema_is_that_of_version_1_and_what_was_added(tmp_path: Path) -> None:
    first = pa.schema(list(ROW_SCHEMA)[: len(VERSION_1)], metadata=ROW_SCHEMA.metadata)
    assert first.equals(VERSION_1, check_metadata=True)
    assert [column.added for column in ROW_COLUMNS] == [
        column.name not in VERSION_1.names for column in ROW_COLUMNS
    ]
    create_part(open_store(str(tmp_path)), "part", [])
    written, old = (pq.read_schema(path) for path in (tmp_path / "part", OLD_PART))
    first = pa.schema(list(written)[: len(old)], metadata=written.metadata)
    assert first.equals(old, check_metadata=True)


def test_a_part_of_version_1_is_read_as_it_was_written() -> None:
    table = parse_part("old", OLD_PART.read_bytes(), ROW_SCHEMA.names)
    assert list(to_rows(table)) == [
        Row(
            row_id="a1",
            prompt_id="p1",
            status=RowStatus.ACCEPTED,
            source="topic_guided",
            question_type="Questions about tides",
            topic="moon",
            instruction="Why are there tides?",
            input="Briefly.",
            completion=" My rules here are 2 (helpful).\n\nThe moon pulls.",
            thoughts="My rules here are 2 (helpful).",
            rules=(2, 6),
            answer="The moon pulls.",
            complete=True,
            attempt=2,
            seed=2**40 + 1,
            model_id="m-135",
            finish_reason="stop_sequence",
            prompt_tokens=1800,
            completion_tokens=21,
            latency_ms=1234.5,
        ),
        Row(
            row_id="a2",
            prompt_id="p2",
            status=RowStatus.FAILED,
            reason="EngineTimeout",
            evidence="no answer in 5 s",
            instruction="Und warum? ☾",
            seed=7,
        ),
    ]


@dataclass
class Later:
    """A table that grew."""

    name: str
    score: Annotated[Float32, Since.ADDED] = 0.5
    notes: Annotated[str, Since.ADDED] = "none"
    rules: Annotated[Int32List, Since.ADDED] = ()


@pytest.mark.parametrize("names", [["a", "b"], []])
def test_columns_that_a_part_lacks_have_their_defaults(names: list[str]) -> None:
    columns = columns_of(Later)
    filled = fill_added(pa.table({"name": names, "score": pa.array([1.0] * len(names))}), columns)
    assert filled["score"].to_pylist() == [1.0] * len(names)
    filled = fill_added(pa.table({"name": pa.array(names, pa.string())}), columns)
    assert filled.schema == arrow_schema(columns, {})
    assert filled.to_pylist() == [
        {"name": name, "score": 0.5, "notes": "none", "rules": []} for name in names
    ]


def test_a_column_that_was_there_from_the_start_is_not_made_up() -> None:
    assert fill_added(pa.table({"score": [1.0]}), columns_of(Later)).column_names == [
        "score", "notes", "rules",
    ]  # fmt: skip


def test_columns_of_a_newer_version_are_passed_over(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    row = Row(row_id="a", prompt_id="b", status=RowStatus.ACCEPTED, rules=(1,))
    create_part(store, "align/part-00000.parquet", [row])
    table = pq.read_table(tmp_path / "align/part-00000.parquet").append_column("new", [["x"]])
    pq.write_table(table, tmp_path / "align/part-00000.parquet")
    assert list(to_rows(read_rows(store, "align"))) == [row]


@pytest.mark.parametrize(
    ("annotation", "default", "message"),
    [
        (int, 0, "value: <class 'int'> has no Arrow type"),
        (float, 0.0, "value: <class 'float'> has no Arrow type"),
        (tuple[int, ...], (), "has no Arrow type; annotate it"),
        (Annotated[Float32, Since.ADDED], None, "value: an added column needs a default"),
    ],
)
def test_a_field_that_says_too_little_is_refused(
    annotation: Any, default: object, message: str
) -> None:
    field = ("value", annotation) if default is None else ("value", annotation, default)
    with pytest.raises(TypeError, match=message):
        columns_of(make_dataclass("Made", [field]))


def test_rows_and_prompts_share_all_that_a_prompt_says() -> None:
    rows, prompts = (get_type_hints(kind, include_extras=True) for kind in (Row, PromptItem))
    assert {name: rows.get(name) for name in prompts} == prompts
    given = PromptItem("id", "text", "input", 5, 2, "topic_guided", "type", "topic")
    row = Row.of(given, RowStatus.FAILED)
    assert {name: getattr(row, name) for name in PROMPT_FIELDS} == {
        name: getattr(given, name) for name in PROMPT_FIELDS
    }
    assert (row.row_id, row.status) == ("id", RowStatus.FAILED)
    assert PromptItem.of(row, seed=5, attempt=2) == given
    assert PromptItem.of(row, seed=9) == PromptItem(
        "id", "text", "input", 9, 1, "topic_guided", "type", "topic"
    )
