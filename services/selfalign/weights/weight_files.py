"""The files of a folder of weights, checked against the manifest of the stage that made them."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from selfalign.errors import ModelError
from selfalign.storage.manifest import read_manifest
from selfalign.storage.open import open_store
from selfalign.storage.store import ObjectInfo, Store
from selfalign.weights.source import LocalFolder, StoreFolder

SHARD_INDEX = "model.safetensors.index.json"


@dataclass(frozen=True, slots=True)
class WeightFiles:
    """What a folder of weights holds."""

    source: str
    store: Store
    """The folder, opened as a store."""
    files: tuple[ObjectInfo, ...]
    digests: Mapping[str, str]
    """SHA-256 by file, where a stage's manifest tells them."""


def find_weights(folder: LocalFolder | StoreFolder) -> WeightFiles:
    """Lists a folder of weights.

    Raises:
        ModelError: nothing is there, or less than the stage's manifest names.
        StoreError: the store cannot be read.
    """
    source = str(folder).rstrip("/")
    local = _local(folder)
    # open_store would make it.
    if local is not None and not local.exists():
        raise ModelError(f"{source}: there is no such folder")
    store = open_store(str(local.path) if local else source)
    files = tuple(info for info in store.list("") if not info.key.startswith("."))
    names = {info.key for info in files}
    if "config.json" not in names:
        found = ", ".join(sorted(names)[:5]) or "nothing"
        raise ModelError(f"{source}: no config.json there, so no model; found {found}")
    return WeightFiles(source, store, files, _digests(store.url, source, files))


def file_sha256(path: Path) -> str:
    """64 hex digits over the file's bytes. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_shards(folder: Path, source: str) -> None:
    """Refuses a folder that lacks files which the index of its sharded weights names.

    Raises:
        ModelError: naming up to three of them.
    """
    path = folder / SHARD_INDEX
    if not path.is_file():
        return
    try:
        named = set(json.loads(path.read_text())["weight_map"].values())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{source}/{SHARD_INDEX}: not an index of weights: {error}") from error
    missing = sorted(name for name in named if not (folder / name).is_file())
    if missing:
        raise ModelError(
            f"{source}: {SHARD_INDEX} names {', '.join(missing[:3])}, which is not there; upload "
            "the model again"
        )


def _local(folder: LocalFolder | StoreFolder) -> LocalFolder | None:
    """The folder on this machine; None for one in a bucket."""
    if isinstance(folder, LocalFolder):
        return folder
    scheme, _, rest = folder.url.partition("://")
    return LocalFolder(rest) if scheme == "file" else None


def _digests(url: str, source: str, files: tuple[ObjectInfo, ...]) -> dict[str, str]:
    """SHA-256 of the files from the manifest of the training stage that made them, if one did.

    A stage leaves its manifest beside its folders of weights: RUN/STAGE/manifest.json for those in
    RUN/STAGE/merged.
    """
    scheme, separator, path = url.rpartition("://")
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
