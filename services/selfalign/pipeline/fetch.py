"""Fetching weights into a folder: whole and verified, or not marked as complete."""

import hashlib
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from selfalign.errors import ModelError
from selfalign.events import EventSink, Fetch
from selfalign.pipeline.marked_folder import MarkedFolder, Marker
from selfalign.storage.manifest import read_manifest
from selfalign.storage.open import open_store
from selfalign.storage.store import ObjectInfo, Store

INDEX = "model.safetensors.index.json"
# One connection does not fill a fast network.
DOWNLOADS_AT_ONCE = 4
HUB_FILES = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja"]


@dataclass(frozen=True, slots=True)
class Weights:
    """A folder of weights in a store."""

    source: str
    store: Store
    files: tuple[ObjectInfo, ...]
    digests: Mapping[str, str]
    """SHA-256 by file, where a stage's manifest tells them."""

    def marker(self) -> Marker:
        """What tells these weights from others."""
        sizes = {info.key: info.size for info in self.files}
        return {"source": self.source, "files": sizes, "sha256": dict(self.digests)}


def fetch_weights(source: str, folder: Path, progress: EventSink = lambda event: None) -> bool:
    """Brings weights into `folder`; False if they were there already.

    Args:
        source: s3://bucket/prefix (gs://, az://), a local folder, or a hub id such as owner/model.
        folder: Empty or missing, or filled by an earlier fetch, which is replaced.
        progress: Hears a Fetch for each file.

    Raises:
        ModelError: there are no whole weights at `source`.
        ConfigError: `folder` holds files that no fetch has put there.
        StoreError: the store cannot be read, or the folder not written.
    """
    if "://" not in source and not Path(source).is_absolute():
        return _fetch_from_hub(source, folder, progress)
    weights = find_weights(source)
    target, marker = MarkedFolder(folder), weights.marker()
    if target.holds(marker):
        return False
    target.begin(marker)
    total, done = sum(info.size for info in weights.files), 0
    with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
        for info in pool.map(lambda info: _fetch_file(weights, info, folder), weights.files):
            done += info.size
            progress(Fetch(file=info.key, done_bytes=done, total_bytes=total))
    _check_shards(folder, source)
    target.finish()
    return True


def find_weights(source: str) -> Weights:
    """Looks at what is to be fetched.

    Raises:
        ModelError: nothing is there, or less than the stage's manifest names.
    """
    source = source.rstrip("/")
    local = "://" not in source
    if local and not Path(source).is_dir():
        raise ModelError(f"{source}: there is no such folder")
    store = open_store(source)
    files = tuple(info for info in store.list("") if not info.key.startswith("."))
    names = {info.key for info in files}
    if "config.json" not in names:
        found = ", ".join(sorted(names)[:5]) or "nothing"
        raise ModelError(f"{source}: no config.json there, so no model; found {found}")
    digests = _digests(source, files)
    return Weights(source, store, files, digests)


def _digests(source: str, files: tuple[ObjectInfo, ...]) -> dict[str, str]:
    """SHA-256 of the files from the manifest of the training stage that made them, if one did."""
    scheme, separator, path = source.rpartition("://")
    *run, stage, name = path.split("/")
    if not any(run):
        return {}
    manifest = read_manifest(open_store(f"{scheme}{separator}{'/'.join(run)}"), stage)
    if manifest is None:
        return {}
    parts = {
        part.name.removeprefix(f"{name}/"): part
        for part in manifest.parts
        if part.name.startswith(f"{name}/")
    }
    sizes = {info.key: info.size for info in files}
    for key, part in parts.items():
        if sizes.get(key) != part.size:
            raise ModelError(
                f"{source}/{key}: the manifest of {stage} says {part.size} bytes, found "
                f"{sizes.get(key, 'nothing')}; the stage's output is damaged"
            )
    return {key: part.sha256 for key, part in parts.items()}


def _fetch_file(weights: Weights, info: ObjectInfo, folder: Path) -> ObjectInfo:
    target, wanted = folder / info.key, weights.digests.get(info.key)
    whole = target.is_file() and target.stat().st_size == info.size
    if not whole or (wanted is not None and _sha256(target) != wanted):
        weights.store.download(info.key, target)
        if wanted is not None and (found := _sha256(target)) != wanted:
            raise ModelError(
                f"{weights.source}/{info.key}: SHA-256 is {found}, the stage's manifest says "
                f"{wanted}; the stage's output is damaged"
            )
    return info


def _check_shards(folder: Path, source: str) -> None:
    """All files that the index of sharded weights names are there."""
    path = folder / INDEX
    if not path.is_file():
        return
    try:
        named = set(json.loads(path.read_text())["weight_map"].values())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{source}/{INDEX}: not an index of weights: {error}") from error
    missing = sorted(name for name in named if not (folder / name).is_file())
    if missing:
        raise ModelError(
            f"{source}: {INDEX} names {', '.join(missing[:3])}, which is not there; upload the "
            "model again"
        )


def _fetch_from_hub(name: str, folder: Path, progress: EventSink) -> bool:
    """A model of the Hugging Face hub; the token, if one is needed, is HF_TOKEN."""
    target, marker = MarkedFolder(folder), {"source": name}
    if target.holds(marker):
        return False
    # Imported here: it takes a second, and most weights come from a store.
    from huggingface_hub import snapshot_download

    target.begin(marker)
    progress(Fetch(file=name))
    repository, _, revision = name.partition("@")
    try:
        snapshot_download(
            repository, revision=revision or None, local_dir=folder, allow_patterns=HUB_FILES
        )
    except (OSError, ValueError) as error:
        first = str(error).strip().splitlines()[0]
        raise ModelError(f"{name}: the hub does not give it: {first}") from error
    _check_shards(folder, name)
    target.finish()
    return True


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
