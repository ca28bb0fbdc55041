"""Columns of a table, derived from the fields of a dataclass: names, order, types, defaults."""

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from enum import Enum, StrEnum, auto
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import pyarrow as pa

Int32 = Annotated[int, pa.int32()]
Int64 = Annotated[int, pa.int64()]
Float32 = Annotated[float, pa.float32()]
Int32List = Annotated[tuple[int, ...], pa.list_(pa.int32())]


class Since(Enum):
    """When a column came to its table; without a mark it was there from the start."""

    ADDED = auto()
    """Later: `score: Annotated[Float32, Since.ADDED] = 0.0`. Parts that were written before lack
    the column, and are read with the field's default."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table, as its dataclass field declares it."""

    name: str
    kind: Any
    """The field's Python type: str, bool, int, float, tuple[int, ...] or a StrEnum."""
    type: pa.DataType
    default: Any
    """dataclasses.MISSING where the field has none."""
    added: bool
    """Whether parts may lack it; see Since.ADDED."""

    @property
    def enum(self) -> type[StrEnum] | None:
        """The field's type, where that is an enumeration."""
        is_enum = isinstance(self.kind, type) and issubclass(self.kind, StrEnum)
        return self.kind if is_enum else None

    @property
    def repeated(self) -> bool:
        """Whether the field holds a tuple of values."""
        return get_origin(self.kind) is tuple


def columns_of(record: type) -> tuple[Column, ...]:
    """The columns of a dataclass, in the order of its fields.

    Raises:
        TypeError: a field's type says nothing of its width, or an added one has no default.
    """
    hints = get_type_hints(record, include_extras=True)
    return tuple(_column(field.name, hints[field.name], field.default) for field in fields(record))


def arrow_schema(columns: Iterable[Column], metadata: Mapping[str, str]) -> pa.Schema:
    """The columns as the schema of a file."""
    return pa.schema([(column.name, column.type) for column in columns], metadata=dict(metadata))


def fill_added(table: pa.Table, columns: Iterable[Column]) -> pa.Table:
    """The table with those of the added columns that it lacks, full of their defaults."""
    for column in columns:
        if column.added and column.name not in table.column_names:
            values = pa.array([column.default] * table.num_rows, type=column.type)
            table = table.append_column(column.name, values)
    return table


def _column(name: str, hint: Any, default: Any) -> Column:  # noqa: ANN401 - any type is a hint
    kind, *marks = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    declared = (mark for mark in marks if isinstance(mark, pa.DataType))
    arrow_type = next(declared, None) or _default_type(kind)
    if arrow_type is None:
        raise TypeError(f"{name}: {kind} has no Arrow type; annotate it, e.g. as columns.Int32")
    added = any(mark is Since.ADDED for mark in marks)
    if added and default is MISSING:
        raise TypeError(f"{name}: an added column needs a default, for the parts without it")
    return Column(name, kind, arrow_type, default, added)


def _default_type(kind: Any) -> pa.DataType | None:  # noqa: ANN401
    """Types whose width is no question; numbers have to say theirs."""
    if kind is bool:
        return pa.bool_()
    return pa.string() if isinstance(kind, type) and issubclass(kind, str) else None
