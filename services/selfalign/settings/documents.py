"""Reading files of settings: every mistake is a ConfigError that names its place."""

import re
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from selfalign.errors import ConfigError
from selfalign.settings.yaml_text import load_yaml

MAX_FINDINGS = 50
MAX_PLACE_CHARS = 200
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
        ConfigError: as load_yaml, or no mapping.
    """
    content = load_yaml(text, origin, "a mapping of settings")
    if isinstance(content, dict):
        return content
    if content is None:
        raise ConfigError(f"{origin}: is empty; expected a mapping of settings")
    raise ConfigError(f"{origin}: expected a mapping of settings, found {type(content).__name__}")


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
    """pydantic's findings: field, what is expected, the value found; one a line if many, and the
    first 50 of them."""
    count = error.error_count()
    found = [
        _finding(dict(item), missing)
        for item in islice(error.errors(include_url=False), MAX_FINDINGS)
    ]
    if count == 1:
        return f"{origin}: {found[0]}"
    if count > len(found):
        found.append(f"and {count - len(found)} more")
    return f"{origin}: {count} mistakes:" + "".join(f"\n  {finding}" for finding in found)


def _finding(error: dict[str, Any], missing: str) -> str:
    """`place: message (got the value)`, e.g. of exemplars[2].turns[0].rules."""
    place = ""
    for part in error["loc"]:
        place += f"[{part}]" if isinstance(part, int) else f".{part}" if place else str(part)
    if len(place) > MAX_PLACE_CHARS:
        place = f"{place[:MAX_PLACE_CHARS]}..."
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
