"""Reading a run configuration: profile defaults under the user's file, errors with the place."""

import os
import re
from importlib import resources
from pathlib import Path
from typing import Any, get_args

from selfalign.errors import ConfigError
from selfalign.pipeline.run.config import Profile, RunConfig
from selfalign.pipeline.run.enough_topics import with_enough_topics
from selfalign.pipeline.run.old_spellings import refuse_old_spellings, translated
from selfalign.settings.documents import parse_mapping, read_text, validate

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def load_run_config(path: Path, overrides: dict[str, Any] | None = None) -> RunConfig:
    """Reads `path`, fills it from its profile and checks every field.

    Args:
        path: The run file; `${NAME}` in it is replaced from the environment.
        overrides: Dotted keys from the command line, e.g. {"prompts.count": 40}.

    Raises:
        ConfigError: naming the file, the field, the value and what is expected.
    """
    return parse_run_config(read_text(path), str(path), overrides)


def parse_run_config(text: str, origin: str, overrides: dict[str, Any] | None = None) -> RunConfig:
    """As load_run_config, for text that is already at hand; `origin` stands in messages."""
    values = parse_mapping(_expanded(text), origin)
    for dotted, value in (overrides or {}).items():
        _set_dotted(values, dotted, value)
    refuse_old_spellings(values, origin)
    return _over_profile(values, origin)


def parse_stored_config(text: str, origin: str) -> RunConfig:
    """A run's own run.yaml, as this version or one before wrote it. Raises ConfigError.

    Its variables were replaced before it was written; what looks like one is text.
    """
    return _over_profile(translated(parse_mapping(text, origin)), origin)


def _expanded(text: str) -> str:
    """Variables that are set, in braces alone: a chat template or a prompt may say `$NAME`."""
    return _VARIABLE.sub(lambda found: os.environ.get(found[1], found[0]), text)


def _over_profile(values: dict[str, Any], origin: str) -> RunConfig:
    profile = values.get("profile", "paper")
    if profile not in get_args(Profile):
        raise ConfigError(
            f"{origin}: profile: {profile!r} is unknown; expected one of "
            + ", ".join(get_args(Profile))
        )
    defaults = profile_defaults(profile)
    sources = _nested(values, "prompts", "sources")
    if isinstance(sources, dict):
        # Shares that the file leaves out are none, and not the profile's: they would add up to 2.
        defaults.get("prompts", {}).pop("sources", None)
        if not sources.get("topic_guided"):
            # No stage would read the topics.
            defaults.setdefault("topics", {})["count"] = 0
    config = validate(RunConfig, deep_merge(defaults, values), origin)
    return with_enough_topics(
        config,
        count=_nested(values, "topics", "count") is None,
        max_completions=_nested(values, "topics", "max_completions") is None,
    )


def _nested(values: object, *names: str) -> object:
    """The value below `names`; None where there is none."""
    for name in names:
        values = values.get(name) if isinstance(values, dict) else None
    return values


def profile_defaults(profile: str) -> dict[str, Any]:
    """The values that a profile sets, as nested dictionaries."""
    source = resources.files("selfalign.pipeline.run") / "profiles" / f"{profile}.yaml"
    return parse_mapping(source.read_text(encoding="utf-8"), f"profile {profile}")


def deep_merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """`above` over `below`: dictionaries merge key by key, everything else is replaced."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        both_nested = isinstance(old, dict) and isinstance(value, dict)
        merged[key] = deep_merge(old, value) if both_nested else value  # type: ignore[arg-type]
    return merged


def _set_dotted(values: dict[str, Any], dotted: str, value: Any) -> None:  # noqa: ANN401
    *parents, last = dotted.split(".")
    for name in parents:
        values = values.setdefault(name, {})
        if not isinstance(values, dict):
            raise ConfigError(f"--set {dotted}: {name} is not a section of settings")
    values[last] = value
