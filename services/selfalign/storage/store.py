"""The contract of object storage."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """An object's key, relative to the store's root, and its size in bytes."""

    key: str
    size: int
    etag: str = ""
    """What the server calls this content; empty where it calls it nothing."""


class Store(Protocol):
    """A bucket with a prefix, or a local folder. Keys use "/" and never start with it.

    All methods are blocking; async code calls them with asyncio.to_thread. Methods raise
    StoreError, or the subclass that is named.
    """

    @property
    def url(self) -> str:
        """What `open_store` was given: s3://bucket/prefix, or an absolute folder path."""
        ...

    def get(self, key: str) -> bytes:
        """The object's bytes. Raises ObjectMissing."""
        ...

    def put(self, key: str, data: bytes) -> None:
        """Writes or overwrites an object, atomically. Raises StoreNotWritable."""
        ...

    def create(self, key: str, data: bytes) -> None:
        """Writes an object that must not exist: of many writers just one wins. An object that is
        there with the same bytes counts as written: a writer's own first try may have got through.

        Raises ObjectExists, StoreNotWritable.
        """
        ...

    def exists(self, key: str) -> bool:
        """Whether the object is there."""
        ...

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """The objects under the folder `prefix`, at any depth, sorted by key."""
        ...

    def delete(self, key: str) -> None:
        """Removes the object; one that is not there is no error."""
        ...

    def upload(self, path: Path, key: str) -> None:
        """Writes a file of any size to `key` (multipart where it helps)."""
        ...

    def download(self, key: str, path: Path) -> None:
        """Reads an object of any size into a file, which appears whole or not at all."""
        ...

    def check_writable(self) -> None:
        """Creates, reads and deletes a probe object, and finds out that it cannot be created twice.

        Raises StoreNotWritable, StoreError.
        """
        ...
