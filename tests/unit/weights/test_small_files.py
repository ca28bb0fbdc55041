"""Single files of a model, from wherever it lies."""

from pathlib import Path

import pytest

from selfalign.errors import ModelError
from selfalign.weights.small_files import read_small_file, readable
from selfalign.weights.source import parse_weights


def test_files_of_a_folder_and_of_a_store(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("né", encoding="utf-8")
    for text in (str(tmp_path), f"file://{tmp_path}"):
        weights = parse_weights(text, "model.base")
        assert readable(weights)
        assert read_small_file(weights, "a.json") == "né"
        assert read_small_file(weights, "b.json") is None


@pytest.mark.parametrize("text", ["/nowhere/at-all", "pvc://claim/model"])
def test_what_cannot_be_looked_into(text: str) -> None:
    weights = parse_weights(text, "model.base")
    assert not readable(weights)
    with pytest.raises(ModelError, match="cannot be looked into from here"):
        read_small_file(weights, "a.json")


def test_damaged_text_and_a_hub_that_cannot_be_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.json").write_bytes(b"\xff\xfe")
    with pytest.raises(ModelError, match=r"a\.json: is no text in UTF-8"):
        read_small_file(parse_weights(str(tmp_path), "model.base"), "a.json")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match=r"owner/model: the hub does not give a\.json"):
        read_small_file(parse_weights("owner/model", "model.base"), "a.json")
