"""docs/settings.md: the settings of run file and training job, read off their classes."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from selfalign.pipeline.run.config import RunConfig
from selfalign.pipeline.run.run_file import profile_defaults
from selfalign.training_settings.presets import PRESETS, apply_preset
from selfalign.training_settings.run_section import TrainingSection
from selfalign_training.configuration.training_config import TrainingConfig

HEAD = """# Settings

<!-- Made by `make docs` from the settings classes; change the strings below their fields. -->

Every setting of the [run file](#the-run-file) and of the [training job](#the-training-job). A name
with dots stands for nested sections: `filters.min_chars` of `align` is

```yaml
align:
  filters: {min_chars: 60}
```

and on the command line of `selfalign run` it is `--set align.filters.min_chars=60`. Unknown names
are refused. A dash means that nothing is set.
"""
RUN_HEAD = """
## The run file
The defaults are those of `profile: paper`; the column `small` has what `profile: small` changes.
"""
TRAINING_HEAD = """
## The training job
The file of `python -m selfalign_training`, and the sections `engrave` and `distill` of a run file,
in which the pipeline itself sets `base_model`, `data` (all but `data.extra_rows`), `output`,
`layout`, `fingerprint` and `work_dir`. The columns beside the default have what each `preset` sets.
Whole files lie in [training-job/configs](../training-job/configs).
"""
INTERVALS = (
    ("minimum", "≥"), ("exclusiveMinimum", ">"), ("maximum", "≤"), ("exclusiveMaximum", "<"),
)  # fmt: skip
WORDS = {"integer": "integer", "number": "number", "boolean": "true or false", "null": "nothing"}

Schema = dict[str, Any]
Values = Mapping[str, Any]
"""Settings as nested mappings, e.g. a profile's."""
MISSING = object()


@dataclass(frozen=True, slots=True)
class Setting:
    """One line of a table."""

    name: str
    """Dotted, from the table's section."""
    kind: str
    """Type and range, in words."""
    default: object
    """MISSING where the setting is required."""
    others: tuple[object, ...]
    """What each profile or preset sets; MISSING where it leaves the default."""
    meaning: str


class Reference:
    """The settings of one class, its nested sections included, beside what profiles set.

    Args:
        defaults: Set before anything else; they go before the defaults of the class.
        profiles: Their values; each gets a column of its name.
    """

    def __init__(
        self, model: type[BaseModel], defaults: Values, profiles: Mapping[str, Values]
    ) -> None:
        self._schema = model.model_json_schema()
        self._defaults = defaults
        self._profiles = profiles

    def text(self) -> str:
        """A table of the class's own fields, then one for each of its sections."""
        fields = self._schema["properties"]
        sections = [name for name, schema in fields.items() if self._section(schema)]
        parts = [self._table(list(self._settings(self._schema, (), skip=sections)))]
        for name in sections:
            schema = self._section(fields[name]) or {}
            if schema["title"] == TrainingSection.__name__:
                text = _line(fields[name].get("description", ""))
                parts.append(f"### `{name}`\n{text} See [the training job](#the-training-job).\n")
                continue
            words = [schema.get("description", ""), fields[name].get("description", "")]
            parts.append(f"### `{name}`\n" + " ".join(_line(text) for text in words if text) + "\n")
            rows = self._settings(schema, (name,), fields[name].get("default", MISSING))
            parts.append(self._table(list(rows)))
        return "\n".join(parts)

    def _section(self, schema: Schema) -> Schema | None:
        """The schema of a nested section, None for other fields."""
        for candidate in (schema, *schema.get("anyOf", ())):
            if "$ref" in candidate:
                found: Schema = self._schema["$defs"][candidate["$ref"].rsplit("/", 1)[1]]
                if "properties" in found:
                    return found
        return None

    def _settings(
        self,
        section: Schema,
        path: tuple[str, ...],
        default: object = MISSING,
        skip: list[str] | None = None,
    ) -> Iterator[Setting]:
        """The fields of a section at `path`; `default` is its default as a whole."""
        for name, schema in section["properties"].items():
            if name in (skip or []):
                continue
            place = (*path, name)
            own = _at(default, (name,))
            if own is MISSING:
                # A field with a default_factory is not required, and has no default in the schema.
                required = name in section.get("required", ())
                own = schema.get("default", MISSING if required else None)
            nested = self._section(schema)
            shown = ".".join(place[1:] if len(path) else place)
            meaning = _line(schema.get("description", ""))
            if nested:
                if meaning:
                    yield Setting(shown, "section", None, (), meaning)
                yield from self._settings(nested, place, own)
                continue
            given = _at(self._defaults, place)
            value = own if given is MISSING else given
            others = (_at(values, place) for values in self._profiles.values())
            differing = tuple(MISSING if other == value else other for other in others)
            yield Setting(shown, _kind(schema, self._schema), value, differing, meaning)

    def _table(self, settings: list[Setting]) -> str:
        used = [
            index
            for index in range(len(self._profiles))
            if any(row.others and row.others[index] is not MISSING for row in settings)
        ]
        names = [f"`{list(self._profiles)[index]}`" for index in used]
        head = ["setting", "type", "default", *names, "meaning"]
        lines = [_row(head), "|" + "---|" * len(head)]
        for row in settings:
            if row.kind == "section":
                cells = ["" for _ in ["", *used]]
            else:
                others = ["" if row.others[i] is MISSING else _code(row.others[i]) for i in used]
                cells = ["required" if row.default is MISSING else _code(row.default), *others]
            lines.append(_row([f"`{row.name}`", row.kind, *cells, row.meaning]))
        return "\n".join(lines) + "\n"


def _at(values: object, path: tuple[str, ...]) -> object:
    """The value at a path of nested mappings, MISSING where there is none."""
    for name in path:
        if not isinstance(values, Mapping) or name not in values:
            return MISSING
        values = values[name]
    return values


def _kind(schema: Schema, whole: Schema) -> str:
    """Type and range of a field in words, from its JSON Schema."""
    if "$ref" in schema:
        return _kind(whole["$defs"][schema["$ref"].rsplit("/", 1)[1]], whole)
    if "anyOf" in schema:
        kinds = [_kind(part, whole) for part in schema["anyOf"] if part.get("type") != "null"]
        return _alternatives(kinds)
    if "enum" in schema or "const" in schema:
        choices = schema.get("enum", [schema.get("const")])
        return _alternatives([f"`{choice}`" for choice in choices])
    kind = schema.get("type", "")
    if kind == "array":
        items = schema.get("items") or (schema.get("prefixItems") or [{}])[0]
        return "list of " + (_kind(items, whole) or "anything").replace("text", "texts")
    if kind == "object":
        values = schema.get("additionalProperties")
        return "mapping" + (f" to {_kind(values, whole)}" if isinstance(values, dict) else "")
    if kind == "string":
        pattern = f", `{schema['pattern']}`" if "pattern" in schema else ""
        return ("path" if "path" in schema.get("format", "") else "text") + pattern
    limits = [f"{sign} {json.dumps(schema[key])}" for key, sign in INTERVALS if key in schema]
    return " ".join([str(WORDS.get(kind, kind)), ", ".join(limits)]).strip()


def _alternatives(kinds: list[str]) -> str:
    """`a`, `b` or `c`."""
    *others, last = dict.fromkeys(kinds)
    return f"{', '.join(others)} or {last}" if others else last


def _line(text: str) -> str:
    """A docstring as Markdown on one line: <name> is text, not a tag, outside of code."""
    parts = " ".join(text.split()).split("`")
    return "`".join(
        part if index % 2 else part.replace("<", "\\<") for index, part in enumerate(parts)
    )


def _code(value: object) -> str:
    if value is None or value in ([], {}, ""):
        return "–"
    return f"`{json.dumps(value, ensure_ascii=False)}`"


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def settings_page() -> str:
    """docs/settings.md."""
    run = Reference(RunConfig, profile_defaults("paper"), {"small": profile_defaults("small")})
    training = Reference(
        TrainingConfig, {}, {name: apply_preset({"preset": name}) for name in PRESETS}
    )
    return "\n".join((HEAD + RUN_HEAD, run.text() + TRAINING_HEAD, training.text()))
