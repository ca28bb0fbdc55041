"""Which fields of a record are its instruction and its input."""

from collections.abc import Iterable, Mapping
from typing import Any

from selfalign.errors import DataError
from selfalign.settings.section import NonEmpty, Section

INSTRUCTIONS = ("instruction", "prompt", "question", "query", "messages", "conversations")
"""Common names of the instruction's field, in order of preference; the last two hold a conversation
of which the user's first turn is read."""
INPUTS = ("input", "context", "instances")
"""The same for the input; the last one as the tasks of Self-Instruct have it: the first instance's
`input`."""
USERS = ("user", "human")


class PromptFields(Section):
    """Which fields of the file's rows hold a prompt."""

    instruction: NonEmpty | None = None
    """Field of the instruction: a text, or a conversation whose first turn of the user is read. By
    default the first of instruction, prompt, question, query, messages, conversations that a row
    has."""
    input: NonEmpty | None = None
    """Field of what the instruction works on, which a row may lack. By default the first of input,
    context, instances (the first one's input) that a row has."""


def columns(fields: PromptFields, names: Iterable[str]) -> list[str]:
    """Those of the columns `names` that prompts are read from."""
    wanted = (
        (fields.instruction,) if fields.instruction else INSTRUCTIONS,
        (fields.input,) if fields.input else INPUTS,
    )
    known = list(names)
    return [name for group in wanted for name in group if name in known]


def read_prompt(record: Mapping[str, Any], fields: PromptFields, place: str) -> tuple[str, str]:
    """(instruction, input) of a record, without white space around them; null counts as empty.

    Raises:
        DataError: the record has no field of an instruction, or another value than a text there.
    """
    instruction = fields.instruction or _first(INSTRUCTIONS, record)
    if instruction is None or instruction not in record:
        expected = fields.instruction or ", ".join(INSTRUCTIONS)
        raise DataError(
            f"{place}: no field of an instruction; expected {expected}, found "
            f"{', '.join(map(str, record)) or 'none'}. Name it: prompts.fields.instruction"
        )
    input_ = fields.input or _first(INPUTS, record)
    texts = (instruction, record[instruction]), (input_ or "", record.get(input_ or ""))
    first, second = (_text(value, f"{place}: `{name}`") for name, value in texts)
    return first, second


def _first(names: Iterable[str], record: Mapping[str, Any]) -> str | None:
    return next((name for name in names if name in record), None)


def _text(value: object, place: str) -> str:
    if isinstance(value, list):
        value = _of_list(value, place)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise DataError(f"{place} must be a text, got {value!r:.80}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"{place}: character {error.start} is half a surrogate pair") from error
    return value.strip()


def _of_list(items: list[Any], place: str) -> object:
    """The user's first turn of a conversation, or the input of the first of a task's instances."""
    for item in items:
        if not isinstance(item, dict):
            raise DataError(f"{place} must hold objects, got {item!r:.80}")
        if "input" in item:
            return item["input"]
        if item.get("role", item.get("from")) in USERS:
            return item.get("content", item.get("value"))
    return None
