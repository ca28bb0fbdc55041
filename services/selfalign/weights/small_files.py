"""Reading single small files of a model, such as its tokenizer's, without its weights."""

from functools import partial

from selfalign.errors import ModelError, ObjectMissing
from selfalign.storage.open import open_store
from selfalign.weights.source import (
    ClaimFolder,
    HubModel,
    LocalFolder,
    StageWeights,
    StoreFolder,
    Weights,
)


def readable(weights: Weights) -> bool:
    """Whether this machine can look into the folder: not into a claim, nor an image's folder."""
    match weights:
        case LocalFolder():
            return weights.exists()
        case ClaimFolder():
            return False
        case _:
            return True


def read_small_file(weights: Weights, name: str) -> str | None:
    """The text of one file of the model; None where the model has no such file.

    Raises:
        ModelError: the folder cannot be looked into from here, the hub does not answer, or the
            file is no text.
        StoreError: the store cannot be read.
    """
    match weights:
        case StageWeights():
            return read_small_file(weights.folder, name)
        case LocalFolder() if weights.exists():
            read = partial(_read_local, weights, name)
        case StoreFolder():
            read = partial(_read_store, weights, name)
        case HubModel():
            read = partial(_read_hub, weights, name)
        case _:
            raise ModelError(f"{weights}: cannot be looked into from here")
    try:
        return read()
    except UnicodeDecodeError as error:
        raise ModelError(f"{weights}/{name}: is no text in UTF-8: {error.reason}") from error


def _read_local(folder: LocalFolder, name: str) -> str | None:
    try:
        return (folder.path / name).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ModelError(f"{folder}/{name}: cannot be read: {error.strerror}") from error


def _read_store(folder: StoreFolder, name: str) -> str | None:
    try:
        return open_store(folder.url).get(name).decode()
    except ObjectMissing:
        return None


def _read_hub(model: HubModel, name: str) -> str | None:
    # Imported here: it takes a second, and most weights come from a store.
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    try:
        path = hf_hub_download(model.repository, name, revision=model.revision)
    except (OSError, ValueError) as error:
        # A subclass of EntryNotFoundError says that the hub could not be asked.
        absent = isinstance(error, EntryNotFoundError)
        if absent and not isinstance(error, LocalEntryNotFoundError):
            return None
        first = str(error).strip().splitlines()[0]
        raise ModelError(f"{model}: the hub does not give {name}: {first}") from error
    return _read_local(LocalFolder(path.removesuffix(f"/{name}")), name)
