"""The one Store implementation: obstore over a local folder, S3, GCS or Azure."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import obstore
from obstore import exceptions
from obstore.store import LocalStore, from_url

from selfalign.errors import ConfigError, ObjectExists, ObjectMissing, StoreError, StoreNotWritable
from selfalign.storage.store import ObjectInfo, Store

Read = TypeVar("Read")

REMOTE_SCHEMES = ("s3", "s3a", "gs", "az", "abfs", "abfss")
# obstore's own window is 180 s: too long to tell a person that a server is down.
RETRY_WINDOW = timedelta(seconds=20)
REQUEST_TIMEOUT = timedelta(seconds=60)
BODY_TRIES = 4
CONFLICT_PAUSES = (0.1, 0.4, 1.6, 6.4)
"""Seconds between tries of a create-only put that the server turned down without an object being
there: S3 answers 409 to writes at the same moment, and means "try again"."""


def open_store(url: str) -> Store:
    """Opens a local folder (made if it is missing) or a bucket with a prefix.

    Credentials and endpoints of a bucket come from the environment under the provider's own names
    (AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL, AWS_REGION, GOOGLE_APPLICATION_CREDENTIALS, ...).

    Raises:
        ConfigError: the scheme is unknown or the address is incomplete.
        StoreNotWritable: a local folder cannot be made.
    """
    scheme, separator, rest = url.partition("://")
    if separator and scheme in REMOTE_SCHEMES:
        if not rest.strip("/"):
            raise ConfigError(f"store: {url!r} names no bucket; expected {scheme}://bucket/prefix")
        return ObjectStore(url.rstrip("/"), _open_bucket(url))
    if separator and scheme != "file":
        raise ConfigError(
            f"store: {url!r} has the unknown scheme {scheme!r}; expected a folder, or one of "
            + ", ".join(f"{name}://" for name in ("file", *REMOTE_SCHEMES))
        )
    path = Path(rest if separator else url).expanduser().absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreNotWritable(f"store: cannot make the folder {path}: {error.strerror}") from error
    return ObjectStore(str(path), LocalStore(path))


def _open_bucket(url: str) -> Any:  # noqa: ANN401 - obstore's union of stores
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL", "")
    try:
        # GCS's S3 side has no bulk delete.
        singly: Any = {"disable_bulk_delete": True} if url.startswith("s3") else {}
        return from_url(
            url,
            config=singly,
            client_options={
                "allow_http": endpoint.startswith("http://"),
                "timeout": REQUEST_TIMEOUT,
            },
            retry_config={"max_retries": 6, "retry_timeout": RETRY_WINDOW},
        )
    except (exceptions.BaseError, ValueError) as error:
        raise ConfigError(f"store: cannot open {url!r}: {_brief(error)}") from error


class ObjectStore:
    """See Store for the contract."""

    def __init__(self, url: str, backend: Any) -> None:  # noqa: ANN401
        self._url = url
        self._backend = backend

    @property
    def url(self) -> str:
        return self._url

    def get(self, key: str) -> bytes:
        def read() -> bytes:
            with self._translated(key):
                return bytes(obstore.get(self._backend, key).bytes())

        return _with_its_body(read)

    def put(self, key: str, data: bytes) -> None:
        with self._translated(key, writing=True):
            obstore.put(self._backend, key, data)

    def create(self, key: str, data: bytes) -> None:
        for pause in (*CONFLICT_PAUSES, None):
            try:
                with self._translated(key, writing=True):
                    obstore.put(self._backend, key, data, mode="create", use_multipart=False)
            except ObjectExists:
                # Or it does not: 409 is also said of writes at the same moment, and 412 of our own
                # second try, where the first one's answer was lost.
                if self._holds(key, data):
                    return
                if pause is None:
                    raise StoreError(
                        f"{self._url}/{key}: {len(CONFLICT_PAUSES) + 1} create-only puts were "
                        "turned down as conflicts, and no object is there"
                    ) from None
                time.sleep(pause)
            else:
                return

    def _holds(self, key: str, data: bytes) -> bool:
        """Whether the object is there with these bytes. Raises ObjectExists where it has others."""
        try:
            found = self.get(key)
        except ObjectMissing:
            return False
        if found != data:
            raise ObjectExists(f"{self._url}/{key} exists already")
        return True

    def exists(self, key: str) -> bool:
        try:
            with self._translated(key):
                obstore.head(self._backend, key)
        except ObjectMissing:
            return False
        return True

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        def read() -> list[ObjectInfo]:
            with self._translated(prefix):
                return [
                    ObjectInfo(meta["path"], meta["size"], meta["e_tag"] or "")
                    for batch in obstore.list(self._backend, prefix)
                    for meta in batch
                ]

        # An error with status 200 reads as an empty folder.
        found = _with_its_body(read) or _with_its_body(read)
        return iter(sorted(found, key=lambda info: info.key))

    def delete(self, key: str) -> None:
        try:
            with self._translated(key, writing=True):
                obstore.delete(self._backend, key)
        except ObjectMissing:
            return

    def upload(self, path: Path, key: str) -> None:
        with self._translated(key, writing=True):
            obstore.put(self._backend, key, path)

    def download(self, key: str, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.{uuid4().hex}.partial")

        def read() -> None:
            with self._translated(key), partial.open("wb") as file:
                for chunk in obstore.get(self._backend, key):
                    file.write(chunk)

        try:
            _with_its_body(read)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)

    def check_writable(self) -> None:
        key = f".probe-{uuid4().hex}"
        self.create(key, b"probe")
        try:
            if self.get(key) != b"probe":
                raise StoreError(f"{self._url}: read back other bytes than were written")
            try:
                self.create(key, b"other")
            except ObjectExists:
                return
            raise StoreError(
                f"{self._url}: the server overwrites objects that a put must only create (it "
                "ignores If-None-Match); workers would replace each other's rows; use a server "
                "with conditional writes"
            )
        finally:
            self.delete(key)

    @contextmanager
    def _translated(self, key: str, *, writing: bool = False) -> Iterator[None]:
        """Turns obstore's and the system's errors into ours, naming the object."""
        place = f"{self._url}/{key}"
        try:
            yield
        except exceptions.AlreadyExistsError as error:
            raise ObjectExists(f"{place} exists already") from error
        except (FileNotFoundError, exceptions.NotFoundError) as error:
            raise ObjectMissing(f"{place} does not exist") from error
        except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError) as error:
            kind = StoreNotWritable if writing else StoreError
            raise kind(
                f"{place}: access refused; check the credentials: {_brief(error)}"
            ) from error
        except (exceptions.BaseError, OSError) as error:
            text = _brief(error)
            refused = writing and any(
                sign in text for sign in ("Permission denied", "Read-only file system")
            )
            kind = StoreNotWritable if refused else StoreError
            raise kind(f"{place}: {text}") from error


def _with_its_body(read: Callable[[], Read]) -> Read:
    """What `read` gives. obstore asks again for what is refused, but not for a body that ends in
    the middle."""
    for _ in range(BODY_TRIES - 1):
        try:
            return read()
        except StoreError as error:
            if "body" not in str(error.__cause__):
                raise
    return read()


def _brief(error: BaseException) -> str:
    """obstore appends a debug dump of many lines to its message; people need the first."""
    return str(error).split("\n\nDebug source:")[0].strip()
