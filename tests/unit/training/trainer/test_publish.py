"""What the output says of the model that it was made from."""

from pathlib import Path

from selfalign_training.trainer.publish import model_digest


def test_the_digest_follows_the_contents(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"one")
    first = model_digest(tmp_path)
    (tmp_path / "README.md").write_text("says nothing")
    assert model_digest(tmp_path) == first
    weights.write_bytes(b"two")
    assert model_digest(tmp_path) != first
