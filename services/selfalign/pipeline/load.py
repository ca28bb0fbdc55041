"""Reading a run configuration: profile defaults under the user's file, errors with the place."""

import os
from importlib import resources
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import ValidationError

from selfalign.errors import ConfigError
from selfalign.pipeline.config import Profile, RunConfig


def load_run_config(path: Path, overrides: dict[str, Any] | None = None) -> RunConfig:
    """Reads `path`, fills it from its profile and checks every field.

    Args:
        path: The run file; `${NAME}` in it is replaced from the environment.
        overrides: Dotted keys from the command line, e.g. {"prompts.count": 40}.

    Raises:
        ConfigError: naming the file, the field, the value and what is expected.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8"
        ) from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    return parse_run_config(text, str(path), overrides)


def parse_run_config(text: str, origin: str, overrides: dict[str, Any] | None = None) -> RunConfig:
    """As load_run_config, for text that is already at hand; `origin` stands in messages."""
    values = _parse_yaml(os.path.expandvars(text), origin)
    for dotted, value in (overrides or {}).items():
        _set_dotted(values, dotted, value)
    profile = values.get("profile", "paper")
    if profile not in get_args(Profile):
        raise ConfigError(
            f"{origin}: profile: {profile!r} is unknown; expected one of "
            + ", ".join(get_args(Profile))
        )
    merged = deep_merge(profile_defaults(profile), values)
    try:
        return RunConfig.model_validate(merged)
    except ValidationError as error:
        raise ConfigError(describe_validation(error, origin)) from error


def profile_defaults(profile: str) -> dict[str, Any]:
    """The values that a profile sets, as nested dictionaries."""
    source = resources.files("selfalign.pipeline") / "profiles" / f"{profile}.yaml"
    return _parse_yaml(source.read_text(encoding="utf-8"), f"profile {profile}")


def deep_merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """`above` over `below`: dictionaries merge key by key, everything else is replaced."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        both_nested = isinstance(old, dict) and isinstance(value, dict)
        merged[key] = deep_merge(old, value) if both_nested else value  # type: ignore[arg-type]
    return merged


def describe_validation(error: ValidationError, origin: str) -> str:
    """pydantic's findings, one a line: field, value, what is expected."""
    lines = []
    for finding in error.errors(include_url=False):
        place = ".".join(str(part) for part in finding["loc"]) or "(whole file)"
        if finding["type"] == "extra_forbidden":
            lines.append(f"{place}: unknown key; see docs/operating.md for the known ones")
        elif finding["type"] == "missing":
            lines.append(f"{place}: missing")
        else:
            lines.append(f"{place}: {finding['msg']} (got {finding['input']!r:.200})")
    return f"{origin}: " + "; ".join(lines)


def _parse_yaml(text: str, origin: str) -> dict[str, Any]:
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{origin}: not valid YAML: {error}") from error
    if not isinstance(values, dict):
        kind = "empty" if values is None else type(values).__name__
        raise ConfigError(f"{origin}: expected a mapping of settings, found {kind}")
    return values


def _set_dotted(values: dict[str, Any], dotted: str, value: Any) -> None:  # noqa: ANN401
    *parents, last = dotted.split(".")
    for name in parents:
        values = values.setdefault(name, {})
        if not isinstance(values, dict):
            raise ConfigError(f"--set {dotted}: {name} is not a section of settings")
    values[last] = value
