"""Reading a configuration file: presets filled in, each error with file, field and remedy."""

import re
from pathlib import Path

from selfalign.errors import ModelError
from selfalign.settings.documents import parse_mapping, read_text, validate
from selfalign.training_settings.presets import apply_preset
from selfalign_training.configuration.deepspeed_file import read_deepspeed_file
from selfalign_training.configuration.training_config import TrainingConfig

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
MISSING = "give it, or name a preset that does"


def load_config(path: Path) -> TrainingConfig:
    """Reads and checks `path`, the DeepSpeed file that it names included.

    Raises:
        ConfigError: naming the file, the field, the value and what is expected.
        ModelError: `base_model` looks like a folder, and there is none.
    """
    values = parse_mapping(read_text(path), str(path))
    config = validate(TrainingConfig, apply_preset(values), str(path), MISSING)
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
