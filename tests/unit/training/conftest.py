"""A valid configuration to break, and a tokenizer trained on the spot."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from support.training_data import small_settings


@pytest.fixture
def base_model(tmp_path: Path) -> Path:
    folder = tmp_path / "base"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    return folder


@pytest.fixture
def values(base_model: Path) -> dict[str, Any]:
    return small_settings(str(base_model))


@pytest.fixture
def config_file(tmp_path: Path, values: dict[str, Any]) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(values))
    return path
