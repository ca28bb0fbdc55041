"""Strict validation against Kubernetes' own schemas: unknown fields are mistakes."""

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / "chart" / "schemas"
VERSIONS = ("v1.31", "v1.34", "v1.37")
TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
}


@functools.cache
def load(name: str) -> dict[str, Any]:
    """A file of schemas."""
    loaded: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return loaded


def problems(document: dict[str, Any], version: str) -> list[str]:
    """What is wrong with an object in that version of Kubernetes."""
    kind = f"{document.get('apiVersion')} {document.get('kind')}"
    for schemas in (load(version), load("custom")):
        if kind in schemas["kinds"]:
            definitions = schemas["definitions"]
            schema = definitions[schemas["kinds"][kind]]
            place = f"{document['kind']} {document['metadata'].get('name', '')}"
            return list(_check(document, schema, definitions, place))
    return [f"{kind}: no such kind in {version}"]


def _check(
    value: Any, schema: dict[str, Any], definitions: dict[str, Any], place: str
) -> Iterator[str]:
    name = schema.get("$ref", "").removeprefix("#/definitions/")
    schema = definitions[name] if name else schema
    if _number_or_text(name, schema):
        if isinstance(value, dict | list):
            yield f"{place}: {value!r} is no number or string"
        return
    kind = schema.get("type")
    if kind and (not isinstance(value, TYPES[kind]) or (kind != "boolean" and value is True)):
        yield f"{place}: {value!r} is no {kind}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{place}: {value!r} is none of {schema['enum']}"
    if isinstance(value, dict):
        yield from _check_object(value, schema, definitions, place)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _check(item, schema.get("items", {}), definitions, f"{place}[{index}]")


def _number_or_text(name: str, schema: dict[str, Any]) -> bool:
    """Ports and quantities may be both."""
    either = schema.get("format") == "int-or-string" or schema.get("x-kubernetes-int-or-string")
    return bool(either) or name.endswith(".resource.Quantity")


def _check_object(
    value: dict[str, Any], schema: dict[str, Any], definitions: dict[str, Any], place: str
) -> Iterator[str]:
    properties = schema.get("properties", {})
    rest = schema.get("additionalProperties")
    for name in schema.get("required", []):
        if name not in value:
            yield f"{place}.{name}: missing"
    for name, item in value.items():
        if name in properties:
            yield from _check(item, properties[name], definitions, f"{place}.{name}")
        elif isinstance(rest, dict):
            yield from _check(item, rest, definitions, f"{place}.{name}")
        elif properties and not schema.get("x-kubernetes-preserve-unknown-fields"):
            yield f"{place}.{name}: unknown field"
