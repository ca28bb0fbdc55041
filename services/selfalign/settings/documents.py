"""Reading files of settings: every mistake is a ConfigError that names its place."""

import re
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from selfalign.errors import ConfigError

FIELD = re.compile(r"[a-z_]\w*(\[\d+\])?(\.\w+)*: ")

Model = TypeVar("Model", bound=BaseModel)


def read_text(path: Path, subject: str = "") -> str:
    """A UTF-8 file's text, without a byte order mark.

    Args:
        subject: The setting that names the file, for messages.

    Raises:
        ConfigError: it cannot be read or is not UTF-8.
    """
    lead = f"{subject}: " if subject else ""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"{lead}{path}: cannot be read: {error.strerror or error}; "
            "expected the path of a readable file"
        ) from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{lead}{path}: not UTF-8 text (byte {error.start} is 0x{data[error.start]:02x}); "
            "save the file as UTF-8"
        ) from error


def parse_mapping(text: str, origin: str) -> dict[str, Any]:
    """The mapping in a YAML text; `origin` names it in messages.

    Raises:
        ConfigError: not YAML, a key twice in one mapping, or no mapping.
    """
    with _yaml_errors(origin, "a mapping of settings"):
        content = yaml.load(text, Loader=_Loader)
    if isinstance(content, dict):
        return content
    if content is None:
        raise ConfigError(f"{origin}: is empty; expected a mapping of settings")
    raise ConfigError(f"{origin}: expected a mapping of settings, found {type(content).__name__}")


def parse_list(text: str, origin: str, what: str) -> list[tuple[int, Any]]:
    """The items of the list in a YAML text, each with the line on which it begins, from 1.

    Args:
        origin: The file, for messages.
        what: What the list holds, for messages, e.g. `probes`.

    Raises:
        ConfigError: not YAML, a key twice in one mapping, no list, or an empty one.
    """
    with _yaml_errors(origin, f"a list of {what}"):
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if not isinstance(node, yaml.SequenceNode) or not node.value:
                raise ConfigError(f"{origin}: expected a list of {what}, each beginning with `-`")
            return [
                (item.start_mark.line + 1, loader.construct_object(item, deep=True))
                for item in node.value
            ]
        finally:
            loader.dispose()


@contextmanager
def _yaml_errors(origin: str, expected: str) -> Iterator[None]:
    try:
        yield
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "unknown place"
        problem = error.problem or error.context or "syntax error"
        raise ConfigError(f"{origin}: not valid YAML: {place}: {problem}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{origin}: not valid YAML: {error}") from error
    except RecursionError as error:
        raise ConfigError(f"{origin}: nested too deeply; expected {expected}") from error


def validate(
    model: type[Model], values: dict[str, Any], origin: str, missing: str = "add it"
) -> Model:
    """The values as a `model`.

    Args:
        origin: The file, for messages.
        missing: What to do about a setting that is not there.

    Raises:
        ConfigError: with every mistake, each with its place.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise ConfigError(describe(error, origin, missing)) from error


def describe(error: ValidationError, origin: str, missing: str = "add it") -> str:
    """pydantic's findings: field, what is expected, the value found; one a line if many."""
    found = [_finding(dict(item), missing) for item in error.errors(include_url=False)]
    if len(found) == 1:
        return f"{origin}: {found[0]}"
    return f"{origin}: {len(found)} mistakes:" + "".join(f"\n  {finding}" for finding in found)


def _finding(error: dict[str, Any], missing: str) -> str:
    """`place: message (got the value)`, e.g. of exemplars[2].turns[0].rules."""
    place = ""
    for part in error["loc"]:
        place += f"[{part}]" if isinstance(part, int) else f".{part}" if place else str(part)
    kind, message = error["type"], str(error["msg"])
    if kind == "missing":
        return f"{place}: missing; {missing}"
    if kind == "extra_forbidden":
        return f"{place}: unknown key; remove it or correct its spelling"
    if kind == "value_error":
        text = str(error["ctx"]["error"])
        # Checks across fields may begin their message with the rest of the place.
        joint = "." if FIELD.match(text) else ": "
        return f"{place}{joint}{text}" if place else text
    if kind == "string_too_short":
        return f"{place}: is empty; write a text"
    if kind == "too_short":
        return f"{place}: is empty; expected at least one"
    return f"{place}: {message} (got {error.get('input')!r:.200})"


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice in one mapping, where YAML would keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        problem=f"the key {key.value!r} stands twice in one mapping",
                        problem_mark=key.start_mark,
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep=deep)
