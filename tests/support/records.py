"""Made-up rows and prompts, from the fields of their classes."""

from typing import Any, TypeVar

import pyarrow as pa
from hypothesis import strategies as st

from selfalign.storage.columns import Column, columns_of

RecordT = TypeVar("RecordT")

# Parquet and protobuf hold UTF-8, which has no surrogates.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
VALUES: dict[pa.DataType, st.SearchStrategy[Any]] = {
    pa.string(): TEXTS,
    pa.bool_(): st.booleans(),
    pa.int32(): st.integers(-(2**31), 2**31 - 1),
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.float32(): st.floats(width=32, allow_nan=False),
}


def records(record: type[RecordT]) -> st.SearchStrategy[RecordT]:
    """Instances of a dataclass of columns, with all values that the columns can hold."""
    return st.builds(record, **{column.name: _values(column) for column in columns_of(record)})


def _values(column: Column) -> st.SearchStrategy[Any]:
    if column.enum is not None:
        return st.sampled_from(column.enum)
    if column.repeated:
        return st.lists(VALUES[column.type.value_type], max_size=9).map(tuple)
    return VALUES[column.type]
