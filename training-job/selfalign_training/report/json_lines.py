"""Reading files of JSON lines that a killed process may have left behind."""

import json
from pathlib import Path

from selfalign_training.configuration.json_types import JsonObject


def read_json_lines(path: Path) -> list[JsonObject]:
    """A file's records up to the first torn one, which a kill may leave at its end."""
    records: list[JsonObject] = []
    if not path.is_file():
        return records
    for line in path.read_text().splitlines():
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return records
