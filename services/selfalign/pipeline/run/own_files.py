"""Files of the user's that a run may name: on this machine, or a key of the run's store."""

from pathlib import Path

from selfalign.errors import ConfigError, ObjectMissing
from selfalign.storage.store import Store


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
