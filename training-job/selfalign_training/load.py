"""Reading a configuration file: presets filled in, each error with file, field and remedy."""

import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from selfalign.errors import ConfigError, ModelError
from selfalign_training.config import TrainingConfig
from selfalign_training.deepspeed_file import read_deepspeed_file
from selfalign_training.presets import apply_preset

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")


def load_config(path: Path) -> TrainingConfig:
    """Reads and checks `path`, the DeepSpeed file that it names included.

    Raises:
        ConfigError: naming the file, the field, the value and what is expected.
        ModelError: `base_model` looks like a folder, and there is none.
    """
    values = _read_mapping(path)
    try:
        config = TrainingConfig.model_validate(apply_preset(values))
    except ValidationError as error:
        raise ConfigError(_describe(error, path)) from error
    check_base_model(config.base_model)
    if config.deepspeed_config is not None:
        read_deepspeed_file(config.deepspeed_config)
    return config


def check_base_model(name: str) -> None:
    """Raises ModelError where `name` is neither a model folder nor a possible hub id."""
    folder = Path(name)
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise ModelError(
                f"base_model: {name} holds no config.json; expected a folder as transformers' "
                "save_pretrained writes it"
            )
    elif not HUB_ID.fullmatch(name):
        raise ModelError(
            f"base_model: there is no folder {name}; name a folder of safetensors, or a hub id "
            "such as owner/model"
        )


def _read_mapping(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8"
        ) from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {error}") from error
    if not isinstance(values, dict):
        kind = "nothing" if values is None else type(values).__name__
        raise ConfigError(f"{path}: expected a mapping of settings, found {kind}")
    return values


def _describe(error: ValidationError, path: Path) -> str:
    """pydantic's findings in one line: field, what is expected, the value found."""
    findings = []
    for finding in error.errors(include_url=False):
        place = ".".join(str(part) for part in finding["loc"])
        match finding["type"]:
            case "extra_forbidden":
                findings.append(f"{place}: unknown key; correct or remove it")
            case "missing":
                remedy = "" if "." in place else "; give it, or name a preset that does"
                findings.append(f"{place}: missing{remedy}")
            case "value_error":
                message = finding["msg"].removeprefix("Value error, ")
                findings.append(f"{place}: {message}" if place else message)
            case _:
                findings.append(f"{place}: {finding['msg']} (got {finding['input']!r:.200})")
    return f"{path}: " + "; ".join(findings)
