"""What tells one model from another in a run's fingerprints."""

import hashlib
from collections.abc import Mapping

from selfalign.errors import ModelError
from selfalign.weights.source import LocalFolder, StageWeights, StoreFolder, Weights
from selfalign.weights.weight_files import find_weights


def weights_digest(weights: Weights) -> str:
    """16 hex digits over configuration and sizes of the weight files, or the weights' name.

    A folder has the same digest on a disk and in a bucket. The weights themselves are not read: see
    contents_digest, which stands beside it in newer runs. What cannot be looked at from here, a hub
    model or a folder of an image, is known by its name.

    Raises:
        ModelError: the folder holds no config.json.
        StoreError: the store cannot be read.
    """
    match weights:
        case StageWeights():
            return weights_digest(weights.folder)
        case StoreFolder():
            found = find_weights(weights)
            sizes = {info.key: info.size for info in found.files}
            return _content_digest(found.store.get("config.json"), sizes)
        case LocalFolder() if weights.exists():
            return _folder_digest(weights)
        case _:
            return str(weights)


def _folder_digest(weights: LocalFolder) -> str:
    try:
        config = (weights.path / "config.json").read_bytes()
        sizes = {path.name: path.stat().st_size for path in weights.path.iterdir()}
    except OSError as error:
        raise ModelError(f"{weights}: no readable config.json in it: {error.strerror}") from error
    return _content_digest(config, sizes)


def _content_digest(config: bytes, sizes: Mapping[str, int]) -> str:
    weights = sorted((name, size) for name, size in sizes.items() if name.endswith(".safetensors"))
    return hashlib.sha256(config + repr(weights).encode()).hexdigest()[:16]
