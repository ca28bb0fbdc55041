"""The user's DeepSpeed file: what can be checked without DeepSpeed; the rest see deepspeed_keys."""

import json
from pathlib import Path

from selfalign.errors import ConfigError
from selfalign_training.configuration.json_types import JsonObject

OURS = ("train_batch_size", "train_micro_batch_size_per_gpu", "gradient_accumulation_steps")
"""DeepSpeed's names for what follows from our own batch sizes."""


def read_deepspeed_file(path: Path) -> JsonObject:
    """A DeepSpeed configuration whose batch sizes are left to us. Raises ConfigError."""
    place = describe_place(path)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{place}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{place}: not valid JSON: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{place}: expected a JSON object, found {type(values).__name__}")
    for key in OURS:
        if values.get(key, "auto") != "auto":
            raise ConfigError(
                f'{place}: {key} is {values[key]!r}; expected "auto": batch sizes follow from '
                "global_batch_size and micro_batch_size"
            )
    zero = values.get("zero_optimization", {})
    stage = zero.get("stage", 0) if isinstance(zero, dict) else None
    if stage not in (0, 1, 2, 3):
        raise ConfigError(f"{place}: zero_optimization.stage is {stage!r}; expected 0, 1, 2 or 3")
    return values


def describe_place(path: Path) -> str:
    """The file as messages name it."""
    return f"deepspeed_config: {path}"
