"""Fetching weights into a folder: whole and verified, or not marked as complete."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from selfalign.errors import ModelError
from selfalign.events import EventSink, Fetch
from selfalign.storage.store import ObjectInfo
from selfalign.weights.marked_folder import MarkedFolder, Marker
from selfalign.weights.source import (
    ClaimFolder,
    HubModel,
    LocalFolder,
    StageWeights,
    StoreFolder,
    Weights,
)
from selfalign.weights.weight_files import WeightFiles, check_shards, file_sha256, find_weights

# One connection does not fill a fast network.
DOWNLOADS_AT_ONCE = 4
HUB_FILES = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja"]


def fetch_weights(weights: Weights, folder: Path, progress: EventSink = lambda event: None) -> bool:
    """Brings weights into `folder`; False if they were there already.

    Args:
        folder: Empty or missing, or filled by an earlier fetch, which is replaced.
        progress: Hears a Fetch for each file.

    Raises:
        ModelError: there are no whole weights, or they cannot be fetched from here.
        ConfigError: `folder` holds files that no fetch has put there.
        StoreError: the store cannot be read, or the folder not written.
    """
    match weights:
        case HubModel():
            return _fetch_from_hub(weights, folder, progress)
        case LocalFolder() | StoreFolder():
            return _fetch_folder(weights, folder, progress)
        case StageWeights():
            return _fetch_folder(weights.folder, folder, progress)
        case ClaimFolder():
            raise ModelError(f"{weights}: a claim is mounted, not fetched; name a folder in it")


def _fetch_folder(weights: LocalFolder | StoreFolder, folder: Path, progress: EventSink) -> bool:
    found = find_weights(weights)
    target, marker = MarkedFolder(folder), _marker(found)
    if target.holds(marker):
        return False
    target.begin(marker)
    total, done = sum(info.size for info in found.files), 0
    with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
        for info in pool.map(lambda info: _fetch_file(found, info, folder), found.files):
            done += info.size
            progress(Fetch(file=info.key, done_bytes=done, total_bytes=total))
    check_shards(folder, found.source)
    target.finish()
    return True


def _marker(found: WeightFiles) -> Marker:
    """What tells these weights from others."""
    sizes = {info.key: info.size for info in found.files}
    return {"source": found.source, "files": sizes, "sha256": dict(found.digests)}


def _fetch_file(found: WeightFiles, info: ObjectInfo, folder: Path) -> ObjectInfo:
    target, wanted = folder / info.key, found.digests.get(info.key)
    whole = target.is_file() and target.stat().st_size == info.size
    if not whole or (wanted is not None and file_sha256(target) != wanted):
        found.store.download(info.key, target)
        if wanted is not None and (digest := file_sha256(target)) != wanted:
            raise ModelError(
                f"{found.source}/{info.key}: SHA-256 is {digest}, the stage's manifest says "
                f"{wanted}; the stage's output is damaged"
            )
    return info


def _fetch_from_hub(model: HubModel, folder: Path, progress: EventSink) -> bool:
    """A model of the Hugging Face hub; the token, if one is needed, is HF_TOKEN."""
    target, marker = MarkedFolder(folder), {"source": str(model)}
    if target.holds(marker):
        return False
    # Imported here: it takes a second, and most weights come from a store.
    from huggingface_hub import snapshot_download

    target.begin(marker)
    progress(Fetch(file=str(model)))
    try:
        snapshot_download(
            model.repository,
            revision=model.revision,
            local_dir=folder,
            allow_patterns=HUB_FILES,
        )
    except (OSError, ValueError) as error:
        first = str(error).strip().splitlines()[0]
        raise ModelError(f"{model}: the hub does not give it: {first}") from error
    check_shards(folder, str(model))
    target.finish()
    return True
