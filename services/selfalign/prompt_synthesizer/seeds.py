"""Task seeds and topic seeds: built in, or files of this format or the published one."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

from selfalign.errors import DataError

Seed = TypeVar("Seed")


@dataclass(frozen=True, slots=True)
class TaskSeed:
    """A task that shows the model what tasks look like."""

    instruction: str
    input: str = ""


@dataclass(frozen=True, slots=True)
class TopicSeed:
    """A topic of a question type, and an instruction about it."""

    question_type: str
    topic: str
    instruction: str


def load_task_seeds(path: Path | None = None) -> list[TaskSeed]:
    """Task seeds from a JSONL file: {instruction, input}, or self-instruct's {instruction,
    instances: [{input, ...}]}.

    Raises:
        DataError: naming the file, the line and what is wrong with it.
    """
    return _load(path, "seed_tasks.jsonl", "task_seeds", _task_seed)


def load_topic_seeds(path: Path | None = None) -> list[TopicSeed]:
    """Topic seeds from a JSONL file: {question_type, topic, instruction}, or the published
    {topic, question_type, question}.

    Raises:
        DataError: naming the file, the line and what is wrong with it.
    """
    return _load(path, "topic_seeds.jsonl", "topic_seeds", _topic_seed)


def _load(
    path: Path | None, built_in: str, field: str, make: Callable[[dict[str, Any], str], Seed]
) -> list[Seed]:
    name = f"{field}: {path or built_in}"
    seeds: list[Seed] = []
    for number, line in enumerate(_read(path, built_in, name).splitlines(), 1):
        if not line.strip():
            continue
        place = f"{name}, line {number}"
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(f"{place}: not JSON: {error.msg} at column {error.colno}") from error
        if not isinstance(row, dict):
            raise DataError(f"{place}: expected an object, got {type(row).__name__}")
        seeds.append(make(row, place))
    if not seeds:
        raise DataError(f"{name} holds no seeds; expected one JSON object a line")
    return seeds


def _read(path: Path | None, built_in: str, name: str) -> str:
    try:
        if path is None:
            folder = files("selfalign.prompt_synthesizer")
            return folder.joinpath(built_in).read_text("utf-8")
        return path.read_text("utf-8-sig")
    except OSError as error:
        raise DataError(f"{name}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"{name}: not UTF-8 at byte {error.start}; save the file as UTF-8"
        ) from error


def _task_seed(row: dict[str, Any], place: str) -> TaskSeed:
    if "instances" not in row:
        return TaskSeed(_text(row, "instruction", place), _text(row, "input", place, empty=True))
    instances = row["instances"]
    if not isinstance(instances, list) or not instances or not isinstance(instances[0], dict):
        raise DataError(f"{place}: `instances` must be a list of objects, with at least one")
    place_of_input = f"{place}, instances[0]"
    return TaskSeed(
        _text(row, "instruction", place), _text(instances[0], "input", place_of_input, empty=True)
    )


def _topic_seed(row: dict[str, Any], place: str) -> TopicSeed:
    text = "question" if "question" in row and "instruction" not in row else "instruction"
    return TopicSeed(
        _text(row, "question_type", place), _text(row, "topic", place), _text(row, text, place)
    )


def _text(row: dict[str, Any], field: str, place: str, *, empty: bool = False) -> str:
    if field not in row:
        if field == "input":
            return ""
        raise DataError(
            f"{place}: the field `{field}` is missing; it has {', '.join(row) or 'none'}"
        )
    value = row[field]
    if not isinstance(value, str):
        raise DataError(f"{place}: `{field}` must be a text, got {value!r}")
    if not empty and not value.strip():
        raise DataError(f"{place}: `{field}` is empty")
    return value.strip()
