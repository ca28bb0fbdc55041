"""Weights in the store, brought to where a local engine can read them."""

from pathlib import Path

from selfalign.errors import ModelError
from selfalign.pipeline.fetch import fetch_weights
from selfalign.storage.store import Store


def local_weights(store: Store, weights: str, cache: Path) -> str:
    """A folder or model id that an engine on this machine can load.

    Args:
        weights: A folder, a model id, the address of a folder of weights in a bucket, or the
            prefix of one in the store.
        cache: Where weights from a bucket are kept.

    Raises:
        ModelError: an address or a prefix of the store that holds no weights.
    """
    if "://" in weights:
        folder = cache / weights.replace("://", "/")
        fetch_weights(weights, folder)
        return str(folder)
    if Path(weights).is_dir():
        return weights
    in_store = Path(store.url) / weights
    if in_store.is_dir():
        return str(in_store)
    if not list(store.list(weights)):
        if weights.count("/") <= 1 and not weights.endswith("/merged"):
            return weights
        raise ModelError(f"no weights under {store.url}/{weights}; run the training stage first")
    fetch_weights(f"{store.url}/{weights}", cache / weights)
    return str(cache / weights)
