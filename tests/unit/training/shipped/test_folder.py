"""The files beside merged weights: template, end of turn, card."""

import json
from pathlib import Path
from typing import Any

import pytest

from selfalign_training.configuration.reading import load_config
from selfalign_training.configuration.training_config import TrainingConfig
from selfalign_training.shipped.folder import write_chat_files
from support.training_data import CHAT_TEMPLATE, byte_tokenizer


@pytest.fixture
def config(config_file: Path) -> TrainingConfig:
    return load_config(config_file)


def written(folder: Path, config: TrainingConfig, tokenizer: Any = None, **layout: Any) -> Path:
    tokenizer = tokenizer or byte_tokenizer()
    tokenizer.save_pretrained(folder)
    changed = config.layout.model_copy(update=layout)
    write_chat_files(folder, config.model_copy(update={"layout": changed}), tokenizer)
    return folder


def read(path: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(path.read_text())
    return values


def test_transformers_reads_one_template_from_both_places(
    config: TrainingConfig, tmp_path: Path
) -> None:
    from transformers import AutoTokenizer

    tokenizer = byte_tokenizer(chat_template=CHAT_TEMPLATE)
    written(tmp_path, config, tokenizer, chat_template=True)
    template = (tmp_path / "chat_template.jinja").read_text()
    assert read(tmp_path / "tokenizer_config.json")["chat_template"] == template
    assert AutoTokenizer.from_pretrained(tmp_path).chat_template == template
    (tmp_path / "chat_template.jinja").unlink()
    assert AutoTokenizer.from_pretrained(tmp_path).chat_template == template


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        (None, 1),
        ({"eos_token_id": None}, 1),
        ({"eos_token_id": 1}, 1),
        ({"eos_token_id": 7}, [1, 7]),
        ({"eos_token_id": [7, 1, 9]}, [1, 7, 9]),
    ],
)
def test_engines_stop_at_the_end_of_turn(
    base: dict[str, Any] | None, expected: int | list[int], config: TrainingConfig, tmp_path: Path
) -> None:
    if base is not None:
        values = {"temperature": 0.6, "_from_model_config": True, **base}
        (tmp_path / "generation_config.json").write_text(json.dumps(values))
    written(tmp_path, config)
    found = read(tmp_path / "generation_config.json")
    assert found["eos_token_id"] == expected
    assert "_from_model_config" not in found
    assert base is None or found["temperature"] == 0.6


def test_without_a_generation_config_the_ids_of_the_model_stay(
    config: TrainingConfig, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text('{"eos_token_id": 5, "pad_token_id": 3, "dtype": "bf16"}')
    written(tmp_path, config)
    found = read(tmp_path / "generation_config.json")
    assert found == {"eos_token_id": [1, 5], "pad_token_id": 3}


def test_the_published_layout_leaves_the_ids_alone(config: TrainingConfig, tmp_path: Path) -> None:
    written(tmp_path, config, end_of_turn="marker")
    assert not (tmp_path / "generation_config.json").exists()
    card = (tmp_path / "README.md").read_text()
    assert "does not end by itself" in card
    assert "stop_strings=['### User'], tokenizer=chat.tokenizer" in card
    assert '"stop": ["### User"]' in card


@pytest.mark.parametrize("chat_template", [True, False])
def test_the_card_says_how_to_ask(
    chat_template: bool, config: TrainingConfig, tmp_path: Path
) -> None:
    config = config.model_copy(update={"base_model": "/data/models/small-135m"})
    tokenizer = byte_tokenizer(chat_template=CHAT_TEMPLATE)
    written(tmp_path, config, tokenizer, chat_template=chat_template)
    card = (tmp_path / "README.md").read_text()
    for part in ("pipeline(", "vllm serve", "--model-id /model", "/v1/chat/completions"):
        assert part in card
    assert "small-135m, trained by SELF-ALIGN (stage `engrave`)" in card
    assert "no\nstop strings are needed" in card
    assert "    # Assistant\n" in card
    assert "/data/models" not in card
    assert "stop_strings" not in card
