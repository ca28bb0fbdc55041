"""Names of places for readers elsewhere: no folder of the machine that a job ran on."""

from pathlib import Path

from pydantic import JsonValue


def model_name(base_model: str) -> str:
    """The id of a hub model, or the last part of a folder's name."""
    return Path(base_model).name if Path(base_model).is_absolute() else base_model


def without_machine(value: JsonValue) -> JsonValue:
    """Settings in which every absolute path is cut down to its last part."""
    if isinstance(value, dict):
        return {key: without_machine(part) for key, part in value.items()}
    if isinstance(value, list):
        return [without_machine(part) for part in value]
    if isinstance(value, str) and value.startswith("/") and "\n" not in value:
        return Path(value).name
    return value
