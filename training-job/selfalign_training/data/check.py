"""What can be known of a job's files before its data are there, and without transformers."""

import json
from pathlib import Path

from selfalign.errors import ModelError
from selfalign.storage.open import open_store
from selfalign_training.configuration.training_config import TrainingConfig
from selfalign_training.data.end_of_turn import no_end_token

NAMED_IN = ("tokenizer_config.json", "special_tokens_map.json")


def check_files(config: TrainingConfig) -> None:
    """Reads the extra rows, and what the base model's folder says of its end token.

    Raises:
        ConfigError: answers are to end with an EOS token, and the tokenizer has none.
        DataError: an extra row is wrong, or they are not there.
        ModelError: the tokenizer's configuration is no JSON.
    """
    name = config.data.extra_rows
    if name is not None:
        # Loads pyarrow.
        from selfalign_training.data.extra import parse_extra_rows, read_extra_rows

        parse_extra_rows(read_extra_rows(open_store(config.data.store), name), name)
    layout, folder = config.layout, Path(config.base_model)
    if layout.end_of_turn == "marker" or layout.chat_template:
        # A chat template may end turns with a token of its own: known once it is rendered.
        return
    found = [path for name in NAMED_IN if (path := folder / name).is_file()]
    if found and not any(_names_eos(path) for path in found):
        raise no_end_token()


def _names_eos(path: Path) -> bool:
    try:
        return bool(json.loads(path.read_text(encoding="utf-8")).get("eos_token"))
    except (ValueError, AttributeError) as error:
        raise ModelError(f"base_model: {path}: expected a JSON object") from error
