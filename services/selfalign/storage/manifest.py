"""Manifests: written last, so that their presence means that a stage is done."""

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from selfalign.errors import DataError, ObjectMissing
from selfalign.storage.rows import SCHEMA_VERSION
from selfalign.storage.store import Store


class PartInfo(BaseModel):
    """One object of the stage: its key relative to the stage's folder, bytes and SHA-256."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    size: int
    sha256: str
    rows: int = 0


class Manifest(BaseModel):
    """What a stage made, and from what.

    Table stages count rows; training stages list weight files as parts and leave the counts 0.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    stage: str
    schema_version: int = SCHEMA_VERSION
    fingerprint: dict[str, Any] = {}
    """Stage settings, constitution digest, model id, upstream fingerprints."""
    inputs: int = 0
    accepted: int = 0
    rejected: int = 0
    failed: int = 0
    reasons: dict[str, int] = {}
    """Rows by reason, rejected and failed together."""
    parts: tuple[PartInfo, ...] = ()
    units: int | None = None
    """Units that the rows were made in, each with a part; None where the inputs tell, and of
    manifests that earlier versions wrote."""
    candidates: tuple[PartInfo, ...] = ()
    """Objects in folders of the stage's own that its rows were chosen from; names with the
    folder."""
    details: dict[str, Any] = {}
    """What only this stage has to say: training metrics, evaluation scores, timings."""


def manifest_key(stage_prefix: str) -> str:
    """Where a stage's manifest lies, e.g. demo/align -> demo/align/manifest.json."""
    return f"{stage_prefix}/manifest.json"


def read_manifest(store: Store, stage_prefix: str) -> Manifest | None:
    """The stage's manifest, or None while the stage is not done.

    Raises:
        DataError: it is there but cannot be read.
    """
    key = manifest_key(stage_prefix)
    try:
        data = store.get(key)
    except ObjectMissing:
        return None
    try:
        return Manifest.model_validate_json(data)
    except ValidationError as error:
        raise DataError(f"{store.url}/{key}: not a manifest of this version: {error}") from error


def write_manifest(store: Store, stage_prefix: str, manifest: Manifest) -> None:
    """Marks the stage as done. Raises ObjectExists if it was, with another manifest."""
    store.create(manifest_key(stage_prefix), manifest.model_dump_json(indent=2).encode())
