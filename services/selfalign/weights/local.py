"""Weights as an engine or a trainer on this machine can load them."""

from pathlib import Path

from selfalign.errors import ModelError
from selfalign.storage.open import open_store
from selfalign.weights.fetch import fetch_weights
from selfalign.weights.source import (
    ClaimFolder,
    HubModel,
    LocalFolder,
    StageWeights,
    StoreFolder,
    Weights,
)


def local_weights(weights: Weights, cache: Path) -> str:
    """A folder of this machine, or a hub id, which is left to the one that loads it.

    Args:
        cache: Where weights from a bucket are kept, and those of a hub model's revision.

    Raises:
        ModelError: there are no weights, or this machine cannot load them.
        StoreError: the store cannot be read, or the cache not written.
    """
    match weights:
        case LocalFolder():
            if not weights.exists():
                raise ModelError(f"{weights}: there is no such folder")
            return str(weights.path)
        case StageWeights():
            _check_stage(weights)
            return local_weights(weights.folder, cache)
        case StoreFolder():
            return _fetched(weights, cache / weights.url.rstrip("/").replace("://", "/"))
        case HubModel(revision=None):
            return weights.repository
        case HubModel():
            return _fetched(weights, cache / "hub" / str(weights))
        case ClaimFolder():
            raise ModelError(f"{weights}: a claim can be read in its cluster alone")


def _check_stage(weights: StageWeights) -> None:
    folder = weights.folder
    if isinstance(folder, LocalFolder):
        there = folder.exists()
    else:
        there = any(True for _ in open_store(weights.store).list(weights.prefix))
    if not there:
        raise ModelError(f"no weights under {weights}; run the training stage first")


def _fetched(weights: Weights, folder: Path) -> str:
    fetch_weights(weights, folder)
    return str(folder)
