"""Files of the user's that a run may name: on this machine, or a key of the run's store."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selfalign.errors import ConfigError, ObjectMissing
from selfalign.prompt_files.prompt_file import digest_of
from selfalign.storage.store import Store


@contextmanager
def own_path(store: Store, name: str, setting: str) -> Iterator[Path]:
    """A path under which a local file or folder lies or, where there is none of that name, a copy
    of the object or folder of that name in the store, as long as the context lasts.

    Raises:
        ConfigError: naming the setting; there is neither.
        StoreError: the store cannot be read.
    """
    if Path(name).exists():
        yield Path(name)
        return
    key = name.strip("/")
    objects = [key] if store.exists(key) else [info.key for info in store.list(key)]
    if not objects:
        raise ConfigError(f"{setting}: there is no file {name}, and no such key in {store.url}")
    with tempfile.TemporaryDirectory(prefix="selfalign-") as folder:
        for one in objects:
            path = Path(folder, "copy", Path(key).name, *Path(one).relative_to(key).parts)
            path.parent.mkdir(parents=True, exist_ok=True)
            store.download(one, path)
        yield Path(folder, "copy", Path(key).name)


def own_digest(store: Store, name: str, setting: str) -> str:
    """16 hex digits over the bytes of a file or folder of the user's.

    Raises:
        ConfigError, DataError: naming the setting; it is not there, or cannot be read.
    """
    with own_path(store, name, setting) as path:
        return digest_of(path, f"{setting}: {name}")


def read_own_file(store: Store, name: str, setting: str) -> bytes:
    """The bytes of a local file or, where there is none of that name, of a key in the store.

    Raises:
        ConfigError: naming the setting; there is neither, or it cannot be read.
    """
    path = Path(name)
    try:
        return path.read_bytes() if path.is_file() else store.get(name)
    except ObjectMissing as error:
        raise ConfigError(
            f"{setting}: there is no file {name}, and no such key in {store.url}"
        ) from error
    except OSError as error:
        raise ConfigError(f"{setting}: {name} cannot be read: {error.strerror}") from error
