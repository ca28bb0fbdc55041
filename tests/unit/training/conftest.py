"""A valid configuration to break, and a tokenizer trained on the spot."""

from pathlib import Path
from typing import Any

import pytest
import yaml


@pytest.fixture
def base_model(tmp_path: Path) -> Path:
    folder = tmp_path / "base"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    return folder


@pytest.fixture
def values(base_model: Path) -> dict[str, Any]:
    return {
        "preset": "small",
        "base_model": str(base_model),
        "data": {"store": "runs", "stage_prefix": "demo/align"},
        "output": {"store": "runs", "prefix": "demo/engrave"},
        "layout": {
            "meta_prompts": ["# Assistant\n"],
            "user_header": "\n\n### User\n",
            "assistant_header": "\n\n### Assistant\n",
            "end_marker": "\n\n### User\n",
        },
    }


@pytest.fixture
def config_file(tmp_path: Path, values: dict[str, Any]) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(values))
    return path
