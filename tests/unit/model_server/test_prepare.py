"""Preparing the small model never harms what is there."""

from pathlib import Path

import pytest

from selfalign.errors import ModelError
from selfalign.model_server.prepare import main, prepare


def test_a_folder_with_other_things_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    thesis = tmp_path / "thesis.txt"
    thesis.write_text("years of work")
    with pytest.raises(ModelError, match="holds no model"):
        prepare(tmp_path)
    assert main(["--output", str(tmp_path)]) == ModelError.exit_code
    assert "name a new folder" in capsys.readouterr().err
    assert thesis.read_text() == "years of work"


def test_a_model_that_is_there_is_kept(small_model: Path) -> None:
    before = (small_model / "model.safetensors").stat().st_mtime_ns
    assert prepare(small_model) is False
    assert (small_model / "model.safetensors").stat().st_mtime_ns == before
