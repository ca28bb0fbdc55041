"""Where weights lie: one value for each kind of place, and the one parser of what users write.

As text, each value is what the user wrote.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from selfalign.errors import ConfigError, ModelError
from selfalign.storage.open import REMOTE_SCHEMES

STORE_SCHEMES = ("file", *REMOTE_SCHEMES)
CLAIM_SCHEME = "pvc"
EXPECTED = (
    "expected a folder, s3://bucket/prefix (gs://, az://, file://), pvc://claim/path, or a hub id "
    "such as owner/model or owner/model@revision"
)
# A hub id is what huggingface_hub.utils.validate_repo_id takes; importing that takes a second.
HUB_NAME = r"[A-Za-z0-9_](?:[\w.-]{0,94}[A-Za-z0-9_])?"
HUB_ID = re.compile(rf"(?!.*(?:--|\.\.|\.git$))(?:{HUB_NAME}/)?{HUB_NAME}", re.ASCII)


@dataclass(frozen=True, slots=True)
class LocalFolder:
    """A folder of this machine, or of the machines that load it: of an image, say."""

    name: str

    def __str__(self) -> str:
        return self.name

    @property
    def path(self) -> Path:
        """The folder, with ~ replaced."""
        # Not Path.expanduser, which raises for a ~name that is nobody's.
        return Path(os.path.expanduser(self.name))  # noqa: PTH111

    def exists(self) -> bool:
        """Whether the folder is here."""
        # Not Path.is_dir, which raises for names that are too long.
        return bool(self.name) and os.path.isdir(self.path)  # noqa: PTH112


@dataclass(frozen=True, slots=True)
class StoreFolder:
    """A folder of a store: s3://bucket/prefix, gs://, az://, file:///folder."""

    url: str

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True, slots=True)
class ClaimFolder:
    """A folder of a PersistentVolumeClaim, which pods of its cluster mount: pvc://claim/path."""

    url: str

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True, slots=True)
class HubModel:
    """A model of the Hugging Face hub."""

    repository: str
    """owner/model, or the name of a model without an owner."""
    revision: str | None = None
    """A branch, tag or commit; by default the main branch."""

    def __str__(self) -> str:
        return f"{self.repository}@{self.revision}" if self.revision else self.repository


@dataclass(frozen=True, slots=True)
class StageWeights:
    """What a training stage of a run leaves in the run's store."""

    store: str
    """The store's URL: an absolute folder, or s3://bucket/prefix."""
    prefix: str
    """The weights' folder in the store: demo/engrave/merged."""

    def __str__(self) -> str:
        return str(self.folder)

    @property
    def folder(self) -> LocalFolder | StoreFolder:
        """The place, whoever made what lies there."""
        address = f"{self.store}/{self.prefix}"
        return StoreFolder(address) if "://" in address else LocalFolder(address)


Weights = LocalFolder | StoreFolder | ClaimFolder | HubModel | StageWeights


def parse_weights(text: str, setting: str) -> Weights:
    """What the user calls weights: a folder, an address, or a hub id, in this order.

    A name that could be both is a folder if there is one. Nothing else is looked at here; a folder
    of an image, such as /models/llama, need not exist on this machine.

    Args:
        text: A folder (~ and relative ones too), SCHEME://..., or owner/model[@revision].
        setting: What holds the text, for messages: model.base.

    Raises:
        ConfigError: the address is of an unknown kind or incomplete.
        ModelError: the text is no hub id, and no folder of that name is here.
    """
    if "://" in text:
        return _parse_address(text, setting)
    folder = LocalFolder(text)
    if text.startswith(("/", "./", "../", "~")) or folder.exists():
        return folder
    repository, at, revision = text.partition("@")
    if not HUB_ID.fullmatch(repository) or bool(at) != bool(revision.strip()):
        raise ModelError(f"{setting}: {text!r}: there is no such folder here; {EXPECTED}")
    return HubModel(repository, revision or None)


def _parse_address(text: str, setting: str) -> StoreFolder | ClaimFolder:
    scheme, _, place = text.partition("://")
    if scheme not in (*STORE_SCHEMES, CLAIM_SCHEME):
        raise ConfigError(f"{setting}: {text!r} has the unknown scheme {scheme!r}; {EXPECTED}")
    if not place.strip("/"):
        raise ConfigError(f"{setting}: {text!r} names no bucket, folder or claim; {EXPECTED}")
    return ClaimFolder(text) if scheme == CLAIM_SCHEME else StoreFolder(text)
