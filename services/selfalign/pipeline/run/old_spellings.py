"""Settings that earlier versions spelled otherwise.

A run file is the user's to correct. What a run has stored (run.yaml, and the settings in the
fingerprints of its manifests) stays as it was written, so it is translated when it is read. What it
did not have at all stands in later_settings.py.
"""

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import yaml

from selfalign.errors import ConfigError
from selfalign.pipeline.run.later_settings import ADDED, ADDED_FILES, READ_WITH


@dataclass(frozen=True, slots=True)
class Moved:
    """A setting with a new name, and new words for its values where those changed."""

    old: str
    """Dotted, as in `align.mode`."""
    new: str
    words: Mapping[Any, Any] = field(default_factory=dict)
    """Old value -> new value; a value that is not in it stays the same."""
    convert: Callable[[Any], Any] | None = None
    """Old value -> new value, where no list of words can say it."""

    def new_value(self, value: Any) -> Any:  # noqa: ANN401 - a setting of any type
        """The value in the new spelling."""
        return self.convert(value) if self.convert else self.words.get(value, value)


@dataclass(frozen=True, slots=True)
class Joined:
    """Settings that moved into a section that holds more than they did."""

    section: str
    names: tuple[str, ...]
    into: str
    added: Mapping[str, Any]
    """What else the section holds, with the values that gave the results of before."""


def _two_sources(share: Any) -> Any:  # noqa: ANN401 - what a file says, right or wrong
    """prompts.topic_guided_share as shares of the two sources that there were."""
    if not isinstance(share, int | float):
        return share
    others = {"template": 0.0, "file": 0.0}
    return {"self_instruct": round(1 - share, 6), "topic_guided": float(share), **others}


_SAMPLING = ("max_new_tokens", "temperature", "top_p", "repetition_penalty")
_JOINED = tuple(
    Joined(section, _SAMPLING, "sampling", {"top_k": 0, "stop": []})
    for section in ("align", "refine")
)
MOVED = (
    Moved("align.mode", "align.calls", {"one_call": "one", "two_call": "two"}),
    Moved("evaluate.constitution_calls", "evaluate.calls"),
    Moved("prompts.topic_guided_share", "prompts.sources", convert=_two_sources),
    *(
        Moved(f"{group.section}.{name}", f"{group.section}.{group.into}.{name}")
        for group in _JOINED
        for name in group.names
    ),
)


def refuse_old_spellings(values: Mapping[str, Any], origin: str) -> None:
    """Refuses a user's settings that have an old spelling.

    Raises:
        ConfigError: with the new spelling of each.
    """
    found = [
        f"{moved.old}: is now {moved.new}: {_text(moved.new_value(value))}"
        for moved, value in _old_settings(values)
    ]
    if len(found) == 1:
        raise ConfigError(f"{origin}: {found[0]}")
    if found:
        lines = "".join(f"\n  {line}" for line in found)
        raise ConfigError(f"{origin}: {len(found)} settings have new names:{lines}")


def translated(values: Mapping[str, Any]) -> dict[str, Any]:
    """Stored settings in the new spelling: a whole configuration, or a fingerprint's `settings`.

    What has the new spelling already stays as it is.
    """
    found = list(_old_settings(values))
    result = deepcopy(dict(values))
    for moved, value in found:
        section, _, name = moved.old.partition(".")
        del result[section][name]
        *parents, last = moved.new.split(".")
        place = result
        for parent in parents:
            place = place.setdefault(parent, {})
        place.setdefault(last, moved.new_value(value))
    moved_names = {moved.old for moved, _ in found}
    for group in _JOINED:
        if any(f"{group.section}.{name}" in moved_names for name in group.names):
            section = result[group.section]
            section[group.into] = {**group.added, **section[group.into]}
    for dotted, value in ADDED.items():
        *parents, last = dotted.split(".")
        place = reduce(lambda place, name: place.get(name, {}), parents, result)
        # A fingerprint has the sections of its stage alone.
        if place and (parents or not result.keys().isdisjoint(READ_WITH[dotted])):
            place.setdefault(last, value)
    return result


def translated_fingerprint(fingerprint: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest's fingerprint with its settings in the new spelling, for comparing.

    Digests of manifests are always taken of what is stored.
    """
    found = dict(fingerprint)
    settings = found.get("settings", {})
    if "files" in found:
        added = {name: "builtin" for name in ADDED_FILES if name.partition(".")[0] in settings}
        found["files"] = {**added, **found["files"]}
    return {**found, "settings": translated(settings)}


def _old_settings(values: Mapping[str, Any]) -> Iterator[tuple[Moved, Any]]:
    """Those of `values` that have an old spelling, with their values."""
    for moved in MOVED:
        section, _, name = moved.old.partition(".")
        content = values.get(section)
        if isinstance(content, dict) and name in content:
            yield moved, content[name]


def _text(value: object) -> str:
    """The value as YAML, on one line."""
    return yaml.safe_dump(value, default_flow_style=True).removesuffix("\n").removesuffix("\n...")
