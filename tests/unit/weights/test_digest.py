"""What tells models apart in fingerprints; runs of earlier versions hold the same digests."""

from pathlib import Path

import pytest

from selfalign.errors import ModelError
from selfalign.weights.digest import weights_digest
from selfalign.weights.source import ClaimFolder, HubModel, LocalFolder, StageWeights, StoreFolder
from support.weights import make_store

# sha256(config.json + repr([("model.safetensors", 100)])), as version 1 computed it.
DIGEST = "90c67fcf1738419b"


def test_a_model_has_the_same_digest_on_a_disk_and_in_a_store(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    assert weights_digest(LocalFolder(f"{store.url}/base")) == DIGEST
    assert weights_digest(StoreFolder(f"file://{store.url}/base")) == DIGEST
    assert weights_digest(StoreFolder(f"file://{store.url}/base/")) == DIGEST
    assert weights_digest(StageWeights(store.url, "demo/engrave/merged")) == DIGEST


@pytest.mark.parametrize(
    "weights",
    [
        HubModel("owner/model"),
        HubModel("owner/model", "main"),
        ClaimFolder("pvc://models/llama"),
        LocalFolder("/no/such/folder/"),
    ],
)
def test_what_cannot_be_looked_at_is_known_by_its_name(
    weights: HubModel | ClaimFolder | LocalFolder,
) -> None:
    assert weights_digest(weights) == str(weights)


def test_a_folder_without_a_model_has_no_digest(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no readable config\.json in it"):
        weights_digest(LocalFolder(str(tmp_path)))
    with pytest.raises(ModelError, match=r"no config\.json there, so no model; found nothing"):
        weights_digest(StoreFolder(f"file://{tmp_path}"))
    with pytest.raises(ModelError, match="there is no such folder"):
        weights_digest(StoreFolder(f"file://{tmp_path}/none"))
    assert not (tmp_path / "none").exists()
