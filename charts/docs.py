"""Makes values.schema.json and README.md of the chart from values.yaml, its comments included.

A comment block right above a key describes it; `# @schema {...}` in it adds JSON Schema keywords to
the type that the default has. `python charts/docs.py --check` fails when the files are not current.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from selfalign.pipeline.run.config import RunConfig

CHART = Path(__file__).parent / "selfalign"
QUANTITY = {"type": ["string", "number"], "pattern": r"^[0-9]+(\.[0-9]+)?(m|[kMGTPE]i?)?$"}
DEFINITIONS = {
    "strings": {"type": "object", "additionalProperties": {"type": "string"}},
    "quantity": QUANTITY,
    "resources": {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            name: {"type": "object", "additionalProperties": {"$ref": "#/$defs/quantity"}}
            for name in ("requests", "limits")
        },
    },
}
TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array"}
INTRODUCTION = """# The selfalign chart

<!-- Made by `make chart-docs` from values.yaml; change it there. -->

Three gRPC services, two inference engines (`base`, and `engraved` at 0 replicas until a run sets
its weights), the templates of the Jobs that a run submits, and what watches and guards them. How to
install, run, secure and upgrade it is in
[docs/operating/kubernetes.md](../../docs/operating/kubernetes.md).

    helm install selfalign charts/selfalign -f charts/selfalign/values-8x-gpu.yaml

| values file | for |
|---|---|
"""


def run_definitions() -> dict[str, Any]:
    """Schemas of the run file's sections, as the program itself checks them.

    Nothing is required, since profile and chart fill in what is left out.
    """
    whole = RunConfig.model_json_schema()
    return {**_trimmed_all(whole.pop("$defs")), "run": _trimmed(whole)}


def _trimmed(schema: Any) -> Any:  # noqa: ANN401
    if isinstance(schema, list):
        return [_trimmed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {
        key: value
        for key, value in schema.items()
        if key not in ("title", "default", "required", "description")
    }
    return {
        key: _trimmed_all(value) if key == "properties" else _trimmed(value)
        for key, value in kept.items()
    }


def _trimmed_all(schemas: dict[str, Any]) -> dict[str, Any]:
    return {name: _trimmed(schema) for name, schema in schemas.items()}


@dataclass(slots=True)
class Value:
    """A key of values.yaml."""

    path: tuple[str, ...]
    default: Any
    text: str
    """Its description."""
    keywords: dict[str, Any]
    """What `# @schema` says."""
    children: list["Value"] = field(default_factory=list)
    inline: bool = False
    """Whether it stands on one line, {like: this}."""

    @property
    def leaf(self) -> bool:
        """Whether its content is described as a whole."""
        return not self.children


def read_values(path: Path) -> list[Value]:
    """The file's keys with their comments, in order."""
    text = path.read_text()
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    assert isinstance(node, yaml.MappingNode), f"{path}: expected a mapping"
    return list(_children(node, text.splitlines(), ()))


def _children(node: yaml.MappingNode, lines: list[str], parent: tuple[str, ...]) -> Iterator[Value]:
    for key, content in node.value:
        path = (*parent, key.value)
        text, keywords = ("", {}) if node.flow_style else _comment(lines, key.start_mark.line)
        loader = yaml.SafeLoader("")
        value = Value(path, loader.construct_document(content), text, keywords)
        whole = "$ref" in keywords or keywords.get("additionalProperties") is True
        if isinstance(content, yaml.MappingNode) and content.value and not whole:
            value.children = list(_children(content, lines, path))
            value.inline = bool(content.flow_style)
        yield value


def _comment(lines: list[str], line: int) -> tuple[str, dict[str, Any]]:
    """The block right above a line: description and schema keywords."""
    words: list[str] = []
    keywords: dict[str, Any] = {}
    while line > 0 and lines[line - 1].lstrip().startswith("#"):
        line -= 1
        text = lines[line].lstrip("# ").rstrip()
        if text.startswith("@schema"):
            keywords |= json.loads(text.removeprefix("@schema"))
        else:
            words.insert(0, text.removeprefix("-- "))
    return " ".join(words), keywords


def schema(values: list[Value]) -> dict[str, Any]:
    """JSON Schema of a mapping: unknown keys are refused."""
    properties = {value.path[-1]: _schema_of(value) for value in values}
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _schema_of(value: Value) -> dict[str, Any]:
    described = {"description": value.text} if value.text else {}
    if value.children:
        return described | schema(value.children)
    if "$ref" in value.keywords:
        return described | value.keywords
    if isinstance(value.default, dict):
        assert value.keywords, f"{'.'.join(value.path)}: needs @schema, or keys"
        return described | {"type": "object"} | value.keywords
    return described | {"type": TYPES[type(value.default)]} | value.keywords


def whole_schema(values: list[Value]) -> dict[str, Any]:
    """values.schema.json."""
    top = schema(values)
    # Helm passes `global` to a chart that is used as a part of another.
    top["properties"]["global"] = {"type": "object"}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of the selfalign chart",
        **top,
        "$defs": DEFINITIONS | run_definitions(),
    }


def leaves(values: list[Value]) -> Iterator[Value]:
    """The keys that hold a value."""
    for value in values:
        if value.leaf:
            yield value
        else:
            yield from leaves(value.children)


def readme(values: list[Value]) -> str:
    """README.md: the values files, then a table a section."""
    text = INTRODUCTION
    for path in sorted(CHART.glob("values-*.yaml")):
        text += f"| `{path.name}` | {_first_comment(path)} |\n"
    single = [value for value in values if value.leaf]
    text += "\n## Values\n" + _table(single)
    for value in values:
        if not value.leaf:
            text += f"\n## `{value.path[0]}`\n"
            text += f"{value.text}\n\n" if value.text else ""
            text += _table(list(_rows(value.children)))
    return text


def _rows(values: list[Value]) -> Iterator[Value]:
    """What has a line of its own in values.yaml."""
    for value in values:
        if value.leaf or value.inline:
            yield value
        else:
            yield from _rows(value.children)


def _first_comment(path: Path) -> str:
    words = []
    for line in path.read_text().splitlines():
        if not line.startswith("# ") or line.startswith("#   "):
            break
        words.append(line.removeprefix("# "))
    return " ".join(words)


def _table(rows: list[Value]) -> str:
    text = "| key | default | meaning |\n|---|---|---|\n"
    for row in rows:
        default = json.dumps(row.default).replace("|", "\\|")
        meaning = row.text + (f" ({_choices(row)})" if "enum" in row.keywords else "")
        text += f"| `{'.'.join(row.path)}` | `{default}` | {meaning.strip()} |\n"
    return text


def _choices(row: Value) -> str:
    return ", ".join(f"`{choice}`" if choice else "empty" for choice in row.keywords["enum"])


def main(argv: list[str]) -> int:
    """Writes both files, or with --check compares them; the exit code says whether they differ."""
    values = read_values(CHART / "values.yaml")
    files = {
        CHART / "values.schema.json": json.dumps(whole_schema(values), indent=2) + "\n",
        CHART / "README.md": readme(values),
    }
    stale = [path for path, text in files.items() if not path.exists() or path.read_text() != text]
    for path in stale:
        if "--check" in argv:
            print(f"{path} is not what values.yaml gives; run `make chart-docs`")
        else:
            path.write_text(files[path])
            print(f"wrote {path}")
    return int("--check" in argv and bool(stale))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
