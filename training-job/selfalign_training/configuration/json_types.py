"""Types of what JSON holds."""

from pydantic import JsonValue

JsonObject = dict[str, JsonValue]
