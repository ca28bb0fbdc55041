"""What `check` finds in a job's files before there are any data."""

import json
from pathlib import Path
from typing import Any

import pytest

from selfalign.errors import ConfigError, DataError, ModelError
from selfalign_training.configuration.reading import load_config
from selfalign_training.configuration.training_config import TrainingConfig
from selfalign_training.data.check import check_files


@pytest.fixture
def config(config_file: Path) -> TrainingConfig:
    return load_config(config_file)


def changed(config: TrainingConfig, section: str, **values: Any) -> TrainingConfig:
    part = getattr(config, section).model_copy(update=values)
    return config.model_copy(update={section: part})


@pytest.mark.parametrize(
    ("files", "layout", "error"),
    [
        ({"tokenizer_config.json": {"eos_token": "</s>"}}, {}, None),
        ({"tokenizer_config.json": {"eos_token": {"content": "</s>"}}}, {}, None),
        ({"tokenizer_config.json": {}, "special_tokens_map.json": {"eos_token": "x"}}, {}, None),
        ({}, {}, None),
        ({"tokenizer_config.json": {}}, {"end_of_turn": "marker"}, None),
        ({"tokenizer_config.json": {}}, {"chat_template": True}, None),
        ({"tokenizer_config.json": {}}, {}, "layout.end_of_turn: token, but the base model's"),
        ({"tokenizer_config.json": {"eos_token": None}}, {}, "tokenizer has no EOS token"),
    ],
)
def test_a_tokenizer_without_an_end_token_is_found(
    files: dict[str, Any],
    layout: dict[str, Any],
    error: str | None,
    config: TrainingConfig,
    tmp_path: Path,
) -> None:
    folder = tmp_path / "tokenizer"
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content))
    config = changed(config.model_copy(update={"base_model": str(folder)}), "layout", **layout)
    if error is None:
        check_files(config)
    else:
        with pytest.raises(ConfigError, match=error):
            check_files(config)


@pytest.mark.parametrize("text", ["[]", "{"])
def test_a_broken_tokenizer_configuration_is_named(
    text: str, config: TrainingConfig, tmp_path: Path
) -> None:
    (tmp_path / "tokenizer_config.json").write_text(text)
    with pytest.raises(ModelError, match=r"tokenizer_config\.json: expected a JSON object"):
        check_files(config.model_copy(update={"base_model": str(tmp_path)}))


def test_extra_rows_are_read(config: TrainingConfig, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"instruction": "Who are you?", "answer": "An assistant."}\n')
    check_files(changed(config, "data", store=str(tmp_path), extra_rows=str(rows)))
    rows.write_text('{"instruction": "Who are you?"}\n')
    with pytest.raises(DataError, match="line 1: answer: expected a text, found nothing"):
        check_files(changed(config, "data", store=str(tmp_path), extra_rows=str(rows)))
    with pytest.raises(DataError, match="there is no file missing, and no such key"):
        check_files(changed(config, "data", store=str(tmp_path), extra_rows="missing"))
