"""What tells one model's weights and tokenizer from another's: their contents."""

import hashlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path, PurePosixPath

from selfalign.errors import ModelError
from selfalign.weights.source import LocalFolder, StageWeights, StoreFolder, Weights
from selfalign.weights.weight_files import file_sha256, find_weights

HASHED_AT_ONCE = 8
"""Files that are read side by side: 130 GB take minutes on one core."""
MODEL_SUFFIXES = (".safetensors", ".json", ".jinja", ".model", ".txt", ".tiktoken")
"""Of configuration, weights, tokenizer and chat template. Notes and pictures are no part of it."""


def contents_digest(weights: Weights) -> str:
    """16 hex digits over the names and contents of the files that make a model.

    Files of a disk are read, each once for a process while its size and time stay the same; of
    those in a bucket, sizes and ETags count. What cannot be looked at from here, a hub model or a
    folder of an image, is known by its name.

    Raises:
        ModelError: the folder holds no model, or a file cannot be read.
        StoreError: the store cannot be read.
    """
    match weights:
        case StageWeights():
            return contents_digest(weights.folder)
        case StoreFolder() if weights.url.startswith("file://"):
            find_weights(weights)
            return _of_folder(Path(weights.url.removeprefix("file://")))
        case StoreFolder():
            found = find_weights(weights)
            marks = ((info.key, f"{info.size} {info.etag}") for info in found.files)
            return _digest(mark for mark in marks if _counts(mark[0]))
        case LocalFolder() if weights.exists():
            return _of_folder(weights.path)
        case _:
            return str(weights)


def _of_folder(folder: Path) -> str:
    try:
        paths = sorted(path for path in folder.iterdir() if path.is_file() and _counts(path.name))
        found = [(path, path.stat()) for path in paths]
        with ThreadPoolExecutor(HASHED_AT_ONCE) as pool:
            hashes = pool.map(
                lambda one: _known_sha256(one[0], one[1].st_size, one[1].st_mtime_ns), found
            )
            return _digest(zip((path.name for path in paths), hashes, strict=True))
    except OSError as error:
        raise ModelError(f"{folder}: cannot be read: {error.strerror or error}") from error


@lru_cache(maxsize=1024)
def _known_sha256(path: Path, size: int, changed_ns: int) -> str:
    """file_sha256, once for a file; its size and time tell that it is another one by now."""
    return file_sha256(path)


def _counts(name: str) -> bool:
    return not name.startswith(".") and PurePosixPath(name).suffix in MODEL_SUFFIXES


def _digest(marks: Iterable[tuple[str, str]]) -> str:
    listed = "".join(f"{name} {mark}\n" for name, mark in sorted(marks))
    return hashlib.sha256(listed.encode()).hexdigest()[:16]
