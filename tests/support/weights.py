"""A store that holds a base model and what a training stage has left."""

import hashlib
from pathlib import Path

from selfalign.storage.manifest import Manifest, PartInfo, write_manifest
from selfalign.storage.open import open_store
from selfalign.storage.store import Store

FILES = {"config.json": b"{}", "model.safetensors": b"w" * 100, "tokenizer.json": b"{}"}


def make_store(folder: Path) -> Store:
    """FILES in base/ and demo/engrave/merged/, the latter with their manifest."""
    store = open_store(str(folder))
    parts = []
    for name, data in FILES.items():
        store.put(f"base/{name}", data)
        store.put(f"demo/engrave/merged/{name}", data)
        digest = hashlib.sha256(data).hexdigest()
        parts.append(PartInfo(name=f"merged/{name}", size=len(data), sha256=digest))
    write_manifest(store, "demo/engrave", Manifest(stage="engrave", parts=tuple(parts)))
    return store
