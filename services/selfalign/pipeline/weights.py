"""Weights in the store, brought to where a local engine can read them."""

from pathlib import Path

from selfalign.errors import ModelError
from selfalign.storage.store import Store


def local_weights(store: Store, weights: str, cache: Path) -> str:
    """A folder or model id that an engine on this machine can load.

    Args:
        weights: A folder, a model id, or the prefix of a folder of weights in the store.
        cache: Where weights from a bucket are kept.

    Raises:
        ModelError: a prefix of the store that holds no weights.
    """
    if Path(weights).is_dir():
        return weights
    in_store = Path(store.url) / weights
    if in_store.is_dir():
        return str(in_store)
    files = list(store.list(weights))
    if not files:
        if weights.count("/") <= 1 and not weights.endswith("/merged"):
            return weights
        raise ModelError(f"no weights under {store.url}/{weights}; run the training stage first")
    folder = cache / weights
    for info in files:
        target = folder / info.key.removeprefix(f"{weights}/")
        if not target.is_file() or target.stat().st_size != info.size:
            store.download(info.key, target)
    return str(folder)
