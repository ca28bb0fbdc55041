"""The files of a model folder in the Hugging Face layout: JSON objects and safetensors."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import torch
from pydantic import BaseModel, ValidationError
from safetensors import SafetensorError, safe_open

from selfalign.errors import ModelError
from selfalign.settings.documents import describe

Keys = TypeVar("Keys", bound=BaseModel)


def read_json(path: Path) -> dict[str, object]:
    """A JSON object of a model folder.

    Raises:
        ModelError: it is missing or not an object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{path}: cannot be read ({error}); expected a model folder in the Hugging Face layout"
        ) from error
    if not isinstance(value, dict):
        raise ModelError(f"{path}: expected a JSON object, found {type(value).__name__}")
    return value


def parse_keys(kind: type[Keys], values: Mapping[str, object], origin: str) -> Keys:
    """The keys of a JSON object that `kind` names; `origin` leads the message.

    Raises:
        ModelError: with every key that is missing or of another type.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise ModelError(describe(error, origin, missing="expected in a complete model")) from error


def read_tensors(folder: Path, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """Every tensor of a single or sharded checkpoint by its name, converted to `dtype`.

    Raises:
        ModelError: no safetensors, or a shard is missing or broken.
    """
    tensors: dict[str, torch.Tensor] = {}
    for path in _shards(folder):
        try:
            with safe_open(str(path), framework="pt") as shard:
                for key in shard.keys():  # noqa: SIM118 - not a dict
                    tensors[key] = shard.get_tensor(key).to(dtype)
        except (OSError, SafetensorError) as error:
            raise ModelError(f"{path}: cannot be read ({error})") from error
    return tensors


def _shards(folder: Path) -> list[Path]:
    index = folder / "model.safetensors.index.json"
    single = folder / "model.safetensors"
    if index.exists():
        files = read_json(index).get("weight_map")
        if not isinstance(files, dict) or not files:
            raise ModelError(f"{index}: `weight_map` must name the file of every tensor")
        return [folder / name for name in sorted(set(files.values()))]
    if single.exists():
        return [single]
    raise ModelError(f"{folder}: no {single.name} and no {index.name} in it")
