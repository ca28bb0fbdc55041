"""The finished job's files into the store, the manifest last."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from selfalign.storage.manifest import Manifest, PartInfo, write_manifest
from selfalign.storage.store import Store

ADAPTER, MERGED = "adapter", "merged"
"""Folders of the output; a model that was trained as a whole has no adapter."""


def upload_folder(store: Store, folder: Path, prefix: str, name: str) -> Iterator[PartInfo]:
    """Uploads the folder's files to `<prefix>/<name>/`; yields what the manifest says of each."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            part = f"{name}/{path.relative_to(folder).as_posix()}"
            store.upload(path, f"{prefix}/{part}")
            yield file_part(path, part)


def file_part(path: Path, name: str) -> PartInfo:
    """Name, size and SHA-256 of a file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return PartInfo(name=name, size=path.stat().st_size, sha256=digest)


def publish(
    store: Store,
    prefix: str,
    parts: list[PartInfo],
    fingerprint: dict[str, Any],
    details: dict[str, Any],
) -> None:
    """Writes the manifest that marks the stage as done. Raises ObjectExists."""
    manifest = Manifest(
        stage=prefix.rsplit("/", 1)[-1],
        fingerprint=fingerprint,
        parts=tuple(parts),
        details=details,
    )
    write_manifest(store, prefix, manifest)
