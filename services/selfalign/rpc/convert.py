"""Rows and prompts to their messages and back, on the path of every row.

The fields are those of the dataclass. A column that dataclass and message do not both have, in one
type, ends the import of this module, so that no process runs with it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Generic, TypeVar

import pyarrow as pa
from google.protobuf.descriptor_pb2 import FieldDescriptorProto
from google.protobuf.message import Message

from selfalign.errors import DataError
from selfalign.storage.columns import Column, columns_of
from selfalign.storage.rows import PromptItem, Row
from selfalign.v1 import common_pb2 as pb

RecordT = TypeVar("RecordT")
MessageT = TypeVar("MessageT", bound=Message)

PROTO_TYPES = {
    pa.string(): "string",
    pa.bool_(): "bool",
    pa.int32(): "int32",
    pa.int64(): "int64",
    pa.float32(): "float",
}
"""The protobuf type that holds just the values of an Arrow type."""


class Codec(Generic[RecordT, MessageT]):
    """Copies between a dataclass of columns and the message with the same fields."""

    def __init__(self, record: type[RecordT], message: type[MessageT]) -> None:
        """Plans the copies.

        Raises:
            TypeError: the two differ; the message names each field that does.
        """
        columns, fields = columns_of(record), fields_of(message)
        if found := list(differences(columns, fields)):
            raise TypeError(
                f"{record.__name__} and its message differ: {'; '.join(found)}; declare the "
                "column in the class and in common.proto, then run `make proto`"
            )
        self._record, self._message = record, message
        self._names = tuple(column.name for column in columns)
        self._values = attrgetter(*self._names)
        self._repeated = [column.name for column in columns if column.repeated]
        self._numbers = {
            column.name: {member: fields[column.name].numbers[member.name] for member in enum}
            for column in columns
            if (enum := column.enum)
        }
        self._members = {
            name: {number: member for member, number in numbers.items()}
            for name, numbers in self._numbers.items()
        }

    def to_message(self, record: RecordT) -> MessageT:
        """The record as a message; floats become single precision."""
        values = dict(zip(self._names, self._values(record), strict=True))
        for name, numbers in self._numbers.items():
            values[name] = numbers[values[name]]
        return self._message(**values)

    def to_record(self, message: MessageT) -> RecordT:
        """The message as a record.

        Raises:
            DataError: an enumeration is not set, or its value one of a newer version.
        """
        values = dict(zip(self._names, self._values(message), strict=True))
        for name, members in self._members.items():
            if values[name] not in members:
                known = ", ".join(f"{number} ({member})" for number, member in members.items())
                raise DataError(
                    f"{self._record.__name__.lower()} {values[self._names[0]]!r}: {name} "
                    f"{values[name]} is unknown; expected one of {known}: are client and service "
                    "of one version?"
                )
            values[name] = members[values[name]]
        for name in self._repeated:
            values[name] = tuple(values[name])
        return self._record(**values)


@dataclass(frozen=True, slots=True)
class MessageField:
    """A field of a message, as its proto file declares it."""

    type: str
    """string, bool, int32, ...; enum."""
    repeated: bool
    numbers: Mapping[str, int]
    """Of an enumeration: the numbers of its values, ACCEPTED for ROW_STATUS_ACCEPTED, without the
    UNSPECIFIED one."""

    def __str__(self) -> str:
        of = f" of {', '.join(self.numbers)}" if self.numbers else ""
        return f"{'repeated ' if self.repeated else ''}{self.type}{of}"


def fields_of(message: type[Message]) -> dict[str, MessageField]:
    """The fields of a message by name."""
    types: dict[int, str] = {
        number: name.removeprefix("TYPE_").lower()
        for name, number in FieldDescriptorProto.Type.items()
    }
    found = {}
    for field in message.DESCRIPTOR.fields:
        numbers: dict[str, int] = {}
        if field.enum_type is not None:
            numbers = {value.name: value.number for value in field.enum_type.values}
            prefix = next(iter(numbers)).removesuffix("UNSPECIFIED")
            numbers = {name.removeprefix(prefix): at for name, at in numbers.items() if at}
        found[field.name] = MessageField(types[field.type], field.is_repeated, numbers)
    return found


def differences(columns: tuple[Column, ...], fields: Mapping[str, MessageField]) -> Iterator[str]:
    """What a dataclass of columns and a message do not have in common, for a person."""
    for name in sorted({column.name for column in columns} ^ set(fields)):
        yield f"{name} is in {'the message' if name in fields else 'the class'} alone"
    for column in columns:
        wanted, found = _field_of(column), fields.get(column.name)
        if found is not None and str(wanted) != str(found):
            yield f"{column.name} is {wanted} in the class, {found} in the message"


def _field_of(column: Column) -> MessageField:
    """The field that holds just the column's values."""
    if column.enum:
        names = [member.name for member in column.enum]
        return MessageField("enum", False, {name: at for at, name in enumerate(names, start=1)})
    value = column.type.value_type if column.repeated else column.type
    return MessageField(PROTO_TYPES.get(value, str(value)), column.repeated, {})


_ROWS = Codec(Row, pb.Row)
_PROMPTS = Codec(PromptItem, pb.Prompt)


def row_to_message(row: Row) -> pb.Row:
    """The row as a message. `latency_ms` becomes single precision."""
    return _ROWS.to_message(row)


def row_from_message(message: pb.Row) -> Row:
    """The message as a row. Raises DataError, as Codec.to_record does."""
    return _ROWS.to_record(message)


def prompt_to_message(item: PromptItem) -> pb.Prompt:
    """The prompt as a message."""
    return _PROMPTS.to_message(item)


def prompt_from_message(message: pb.Prompt) -> PromptItem:
    """The message as a prompt. An attempt that is not set counts as the first."""
    item = _PROMPTS.to_record(message)
    return item if item.attempt else replace(item, attempt=1)
