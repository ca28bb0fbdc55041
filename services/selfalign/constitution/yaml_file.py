"""Reading a constitution from YAML; every mistake is named with its place."""

from functools import cache
from importlib import resources
from pathlib import Path

from selfalign.constitution.schema import Constitution
from selfalign.errors import ConfigError
from selfalign.settings.documents import parse_mapping, read_text, validate

MAX_CHARS = 1 << 20
BUILT_IN = "built-in constitution"


def load_constitution(path: Path | None = None) -> Constitution:
    """The constitution in a YAML file, or the built-in one.

    Raises:
        ConfigError: the file cannot be read, is not UTF-8, or is no valid constitution.
    """
    return (
        _built_in()
        if path is None
        else parse_constitution(read_text(path, "constitution"), str(path))
    )


@cache
def _built_in() -> Constitution:
    file = resources.files("selfalign.constitution") / "constitution.yaml"
    return parse_constitution(file.read_text(encoding="utf-8"), BUILT_IN)


def parse_constitution(text: str, origin: str, max_chars: int = MAX_CHARS) -> Constitution:
    """The constitution in a YAML text; `origin` names it in messages.

    Raises:
        ConfigError: with one line for every mistake, each with its place.
    """
    if len(text) > max_chars:
        raise ConfigError(f"{origin}: {len(text)} characters; expected at most {max_chars}")
    return validate(Constitution, parse_mapping(text, origin), origin)
