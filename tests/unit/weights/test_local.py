"""Weights as this machine can load them."""

from pathlib import Path

import pytest

from selfalign.errors import ModelError
from selfalign.weights.local import local_weights
from selfalign.weights.source import (
    ClaimFolder,
    HubModel,
    LocalFolder,
    StageWeights,
    StoreFolder,
    Weights,
)
from support.weights import FILES, make_store


def test_a_folder_is_used_where_it_is(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store")
    base, merged = f"{store.url}/base", f"{store.url}/demo/engrave/merged"
    assert local_weights(LocalFolder(base), tmp_path / "cache") == base
    assert local_weights(StageWeights(store.url, "demo/engrave/merged"), tmp_path) == merged
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("end", ["", "/"])
def test_a_folder_of_a_store_is_kept_in_the_cache(tmp_path: Path, end: str) -> None:
    store = make_store(tmp_path / "store")
    folder = local_weights(StoreFolder(f"file://{store.url}/base{end}"), tmp_path / "cache")
    assert Path(folder).is_relative_to(tmp_path / "cache")
    assert {path.name: path.read_bytes() for path in Path(folder).glob("[!.]*")} == FILES


def test_a_hub_model_is_left_to_the_one_that_loads_it(tmp_path: Path) -> None:
    assert local_weights(HubModel("owner/model"), tmp_path) == "owner/model"


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (LocalFolder("/no/such/folder"), "/no/such/folder: there is no such folder"),
        (ClaimFolder("pvc://models/llama"), "a claim can be read in its cluster alone"),
        (
            StageWeights("/no/such/store", "demo/engrave/merged"),
            "no weights under /no/such/store/demo/engrave/merged; run the training stage first",
        ),
    ],
)
def test_what_is_not_there_is_named(weights: Weights, message: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=message):
        local_weights(weights, tmp_path)
