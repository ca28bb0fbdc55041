"""The files of merged weights that say how the model is asked, written over the base model's."""

import json
from pathlib import Path

from selfalign_training.configuration.json_types import JsonObject
from selfalign_training.configuration.training_config import TrainingConfig
from selfalign_training.data.layout import make_layout
from selfalign_training.data.tokenizer import Tokenizer
from selfalign_training.shipped.chat_template import shipped_template
from selfalign_training.shipped.model_card import model_card

CHAT_TEMPLATE = "chat_template.jinja"
TOKENIZER = "tokenizer_config.json"
GENERATION = "generation_config.json"
CARD = "README.md"


def write_chat_files(folder: Path, config: TrainingConfig, tokenizer: Tokenizer) -> None:
    """Chat template, end of turn and card, so that any engine asks the model as it was trained.

    Args:
        folder: The merged weights, with the base model's configuration and tokenizer.
        config: The job's.
        tokenizer: The base model's.

    Raises:
        ConfigError: see make_layout.
    """
    template = shipped_template(config.layout, tokenizer)
    (folder / CHAT_TEMPLATE).write_text(template, encoding="utf-8")
    # transformers reads the file above first; TGI and older readers know this key alone.
    _update(folder / TOKENIZER, {"chat_template": template})
    end = make_layout(config.layout, tokenizer).end
    if end is not None:
        _end_turns_with(folder, end.token_id)
    (folder / CARD).write_text(model_card(config), encoding="utf-8")


def _end_turns_with(folder: Path, token_id: int) -> None:
    """Engines stop at the end of turn, and at all that the base model's own stop at."""
    base = _read(folder / GENERATION) or {
        key: value
        for key, value in _read(folder / "config.json").items()
        if key in ("bos_token_id", "eos_token_id", "pad_token_id")
    }
    # transformers would take the ids of config.json again, in place of these.
    base.pop("_from_model_config", None)
    found = base.get("eos_token_id")
    earlier = found if isinstance(found, list) else [found]
    others = [number for number in earlier if number not in (None, token_id)]
    base["eos_token_id"] = [token_id, *others] if others else token_id
    _write(folder / GENERATION, base)


def _update(path: Path, values: JsonObject) -> None:
    _write(path, _read(path) | values)


def _read(path: Path) -> JsonObject:
    """The file's object; empty where there is no file."""
    if not path.is_file():
        return {}
    found: JsonObject = json.loads(path.read_text(encoding="utf-8"))
    return found


def _write(path: Path, values: JsonObject) -> None:
    text = json.dumps(values, indent=2, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")
