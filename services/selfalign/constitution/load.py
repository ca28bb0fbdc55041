"""Reading a constitution from YAML; every mistake is named with its place."""

from collections.abc import Hashable
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from selfalign.constitution.model import Constitution
from selfalign.errors import ConfigError

MAX_CHARS = 1 << 20
BUILT_IN = "built-in constitution"


def load_constitution(path: Path | None = None) -> Constitution:
    """The constitution in a YAML file, or the built-in one.

    Raises:
        ConfigError: the file cannot be read, is not UTF-8, or is no valid constitution.
    """
    return _built_in() if path is None else parse_constitution(read_text(path), str(path))


def read_text(path: Path) -> str:
    """A UTF-8 file's text.

    Raises:
        ConfigError: it cannot be read or is not UTF-8.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"constitution: cannot read {path}: {error.strerror or error}; "
            "expected the path of a readable file"
        ) from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path}: not UTF-8 (byte {error.start} is 0x{data[error.start]:02x}); "
            "save the file as UTF-8"
        ) from error


@cache
def _built_in() -> Constitution:
    file = resources.files("selfalign.constitution") / "constitution.yaml"
    return parse_constitution(file.read_text(encoding="utf-8"), BUILT_IN)


def parse_constitution(text: str, origin: str) -> Constitution:
    """The constitution in a YAML text; `origin` names it in messages.

    Raises:
        ConfigError: with one line for every mistake, each with its place.
    """
    if len(text) > MAX_CHARS:
        raise ConfigError(f"{origin}: {len(text)} characters; expected at most {MAX_CHARS}")
    content = _parse_yaml(text, origin)
    if content is None:
        raise ConfigError(
            f"{origin}: is empty; expected a constitution with the keys "
            f"{', '.join(Constitution.model_fields)}"
        )
    if not isinstance(content, dict):
        raise ConfigError(
            f"{origin}: holds a {type(content).__name__}; expected a mapping with the keys "
            f"{', '.join(Constitution.model_fields)}"
        )
    try:
        return Constitution.model_validate(content)
    except ValidationError as error:
        lines = "\n".join(f"  {_describe(dict(item))}" for item in error.errors(include_url=False))
        raise ConfigError(f"{origin}: not a valid constitution:\n{lines}") from error


def _parse_yaml(text: str, origin: str) -> Any:  # noqa: ANN401
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "unknown place"
        problem = error.problem or error.context or "syntax error"
        raise ConfigError(f"{origin}: {place}: {problem}; expected valid YAML") from error
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{origin}: {error}; expected valid YAML") from error
    except RecursionError as error:
        raise ConfigError(f"{origin}: nested too deeply; expected a constitution") from error


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


def _describe(error: dict[str, Any]) -> str:
    """`place: message, not the value`, e.g. of exemplars[2].turns[0].rules."""
    place = ""
    for part in error["loc"]:
        place += f"[{part}]" if isinstance(part, int) else f".{part}" if place else str(part)
    kind, message = error["type"], str(error["msg"])
    if kind == "missing":
        return f"{place}: is missing; add it"
    if kind == "extra_forbidden":
        return f"{place}: unknown key; remove it or correct its spelling"
    if kind == "value_error":
        # Checks across fields begin their message with the rest of the place.
        return f"{place}{'.' if place else ''}{error['ctx']['error']}"
    if kind == "string_too_short":
        return f"{place}: is empty; write a text"
    if kind == "too_short":
        return f"{place}: is empty; expected at least one"
    value = error.get("input")
    shown = f", not {value!r:.80}" if isinstance(value, str | int | float | bool) else ""
    return f"{place}: {message[0].lower()}{message[1:]}{shown}"
