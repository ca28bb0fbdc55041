"""Contents tell models apart that have one configuration and files of equal sizes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from selfalign.errors import ModelError
from selfalign.weights.contents import contents_digest
from selfalign.weights.source import (
    ClaimFolder,
    HubModel,
    LocalFolder,
    StageWeights,
    StoreFolder,
    Weights,
)
from support.weights import make_store


def altered(name: str, data: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(data)


@pytest.mark.parametrize(
    ("change", "differs"),
    [
        (altered("model.safetensors", b"v" * 100), True),
        (altered("tokenizer.json", b"[]"), True),
        (altered("config.json", b"[]"), True),
        (altered("chat_template.jinja", b"{{ messages }}"), True),
        (altered("merges.txt", b"a b"), True),
        (altered("README.md", b"# Read me"), False),
        (altered(".cached.json", b"{}"), False),
        (lambda folder: (folder / "tokenizer.json").rename(folder / "tokens.json"), True),
        (lambda folder: (folder / "config.json").touch(), False),
    ],
)
def test_what_makes_a_model_another_one(
    tmp_path: Path, change: Callable[[Path], object], differs: bool
) -> None:
    make_store(tmp_path)
    folder = LocalFolder(f"{tmp_path}/base")
    before = contents_digest(folder)
    change(folder.path)
    assert (contents_digest(folder) != before) is differs


def test_a_folder_is_the_same_model_by_any_name(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    names: list[Weights] = [
        LocalFolder(f"{store.url}/base"),
        StoreFolder(f"file://{store.url}/base"),
        StageWeights(store.url, "demo/engrave/merged"),
    ]
    assert len({contents_digest(one) for one in names}) == 1


@pytest.mark.parametrize(
    "weights", [HubModel("owner/model", "main"), ClaimFolder("pvc://a/b"), LocalFolder("/none")]
)
def test_what_cannot_be_looked_at_is_known_by_its_name(
    weights: HubModel | ClaimFolder | LocalFolder,
) -> None:
    assert contents_digest(weights) == str(weights)


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no config\.json there"):
        contents_digest(StoreFolder(f"file://{tmp_path}"))
