"""Files of probes, built-in and a user's own; every mistake is named with line and field."""

import json
from collections.abc import Iterable, Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from selfalign.errors import ConfigError
from selfalign.evaluation.probes.probe import Probe
from selfalign.evaluation.probes.scorers.register import SCORERS
from selfalign.settings.documents import read_text, validate
from selfalign.settings.yaml_text import load_items
from selfalign.storage.rows import content_hash

BUILT_IN = "builtin.yaml"
SETTING = "evaluate.probes_file"
JSON_LINES = (".jsonl", ".ndjson")
YAML = (".yaml", ".yml")


def load_probes(path: Path | None) -> tuple[Probe, ...]:
    """The probes of a user's file, or the built-in ones.

    Raises:
        ConfigError: the file cannot be read, has another format, or holds a mistake; with the
            line and the field.
    """
    if path is None:
        text = (resources.files(__package__ or "") / BUILT_IN).read_text(encoding="utf-8")
        return parse_probes(text, BUILT_IN)
    if path.suffix.lower() not in (*JSON_LINES, *YAML):
        raise ConfigError(
            f"{SETTING}: {path}: unknown kind of file; expected a name that ends with "
            f"{', '.join((*YAML, *JSON_LINES))}"
        )
    return parse_probes(read_text(path, SETTING), str(path))


def drawn_per_kind(probes: Iterable[Probe], count: int | None) -> tuple[Probe, ...]:
    """At most `count` probes of each kind, drawn by hash of their ids, in their order."""
    probes = tuple(probes)
    if count is None:
        return probes
    by_kind: dict[str, list[str]] = {}
    for probe in probes:
        by_kind.setdefault(probe.kind, []).append(probe.id)
    drawn = {one for ids in by_kind.values() for one in sorted(ids, key=_hash)[:count]}
    return tuple(probe for probe in probes if probe.id in drawn)


def _hash(probe_id: str) -> str:
    return content_hash("probe", probe_id)


def parse_probes(text: str, origin: str) -> tuple[Probe, ...]:
    """The probes of a text: JSON lines where `origin` ends so, else a YAML list.

    Raises:
        ConfigError: as load_probes.
    """
    json_lines = Path(origin).suffix.lower() in JSON_LINES
    items = _json_lines(text, origin) if json_lines else load_items(text, origin, "probes")
    lines: dict[str, int] = {}
    probes = []
    for line, item in items:
        probe = _probe(item, f"{origin}: line {line}")
        if probe.id in lines:
            raise ConfigError(
                f"{origin}: line {line}: id: {probe.id!r} stands on line {lines[probe.id]} "
                "already; give each probe its own"
            )
        lines[probe.id] = line
        probes.append(probe)
    if not probes:
        raise ConfigError(f"{origin}: holds no probes; expected one JSON object a line")
    return tuple(probes)


def _probe(item: object, place: str) -> Probe:
    if not isinstance(item, dict):
        raise ConfigError(f"{place}: a {type(item).__name__}; expected a mapping with {_fields()}")
    values = dict(item)
    name = values.get("scorer")
    if name is None:
        raise ConfigError(f"{place}: scorer: missing; expected one of {', '.join(SCORERS)}")
    if not isinstance(name, str) or name not in SCORERS:
        raise ConfigError(
            f"{place}: scorer: {name!r} is not known; expected one of {', '.join(SCORERS)}"
        )
    expected = values.get("expected", {})
    if not isinstance(expected, dict):
        raise ConfigError(f"{place}: expected: {expected!r}; expected a mapping for {name}")
    values["expected"] = validate(SCORERS[name], expected, f"{place}: expected")
    return _stripped(validate(Probe, values, place), place)


def _stripped(probe: Probe, place: str) -> Probe:
    """The probe without white space around its texts, which a chat template would keep."""
    texts = {name: getattr(probe, name).strip() for name in ("kind", "prompt", "input")}
    for name in ("kind", "prompt"):
        if not texts[name]:
            raise ConfigError(f"{place}: {name}: is empty; write a text")
    return probe.model_copy(update=texts)


def _json_lines(text: str, origin: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            yield number, json.loads(line)
        except (ValueError, RecursionError) as error:
            column = f", column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
            raise ConfigError(
                f"{origin}: line {number}{column}: not valid JSON; expected one object a line"
            ) from error


def _fields() -> str:
    return ", ".join(Probe.model_fields)
