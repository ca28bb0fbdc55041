"""Files with their digests, as manifests name them."""

import hashlib
from pathlib import Path

from selfalign.storage.manifest import PartInfo


def file_part(path: Path, name: str) -> PartInfo:
    """Name, size and SHA-256 of a file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return PartInfo(name=name, size=path.stat().st_size, sha256=digest)
