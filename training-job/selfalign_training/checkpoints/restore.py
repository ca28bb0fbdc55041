"""Going on from a checkpoint: the newest whose files are whole on every node."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from selfalign.errors import DataError, ObjectMissing
from selfalign.events import Note, emit
from selfalign.storage.manifest import PartInfo
from selfalign_training.checkpoints.catalogue import (
    Catalogue,
    CheckpointCandidate,
    CheckpointManifest,
)
from selfalign_training.checkpoints.files import file_part
from selfalign_training.checkpoints.folders import (
    checkpoint_folder,
    file_names,
    remove_after,
    remove_others,
)
from selfalign_training.checkpoints.ownership import node_reads
from selfalign_training.launch.place import Place

Value = TypeVar("Value")


class Exchange(Protocol):
    """A collective of all ranks."""

    def __call__(self, value: Value, /) -> list[Value]:
        """Gives every rank what all ranks gave, in the order of the ranks."""
        ...


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint on the local disk: its folder, the optimizer steps done, who wrote it."""

    folder: Path
    step: int
    world_size: int


def restore(catalogue: Catalogue, place: Place, job: Path, exchange: Exchange) -> Checkpoint | None:
    """Brings the newest usable checkpoint to this node's disk; None if there never was one.

    All ranks call it. A local file is kept where its digest is the manifest's. One that is
    missing or damaged in the store makes all ranks fall back to the checkpoint before. Checkpoints
    of later steps are deleted: their steps will be done again.

    Raises:
        DataError: there are checkpoints, and none is whole.
        StoreError: the store cannot be read.
    """
    candidates = exchange(catalogue.candidates() if place.first else [])[0]
    faults: list[str] = []
    for candidate in candidates:
        fault = candidate.fault
        if candidate.manifest is not None:
            fault = _fetch(catalogue, place, job, candidate.manifest)
        found = [fault for fault in exchange(fault) if fault]
        if not found:
            break
        faults.append(found[0])
        if place.first:
            emit(Note(text=f"checkpoint of step {candidate.step} passed over: {found[0]}"))
    else:
        candidate = CheckpointCandidate(0, None)
    if candidates and candidate.manifest is None:
        raise DataError(
            f"no checkpoint of this job can be used: {'; '.join(faults)}. Restore the files, or "
            f"delete {catalogue.place} to begin anew"
        )
    if place.leads_node:
        remove_after(job, candidate.step)
    if place.first:
        catalogue.discard_after(candidate.step)
    exchange(None)
    if candidate.manifest is None:
        return None
    folder = checkpoint_folder(job, candidate.step)
    return Checkpoint(folder, candidate.step, candidate.manifest.world_size)


def _fetch(catalogue: Catalogue, place: Place, job: Path, manifest: CheckpointManifest) -> str:
    """Brings what this node needs of a checkpoint; says what is wrong with it, or ""."""
    if not place.leads_node:
        return ""
    same_ranks = manifest.world_size == place.world_size
    folder = checkpoint_folder(job, manifest.step)
    remove_others(folder, {part.name for part in manifest.files})
    here = set(file_names(folder))
    for part in manifest.files:
        # Another world size is converted from all files.
        if same_ranks and not node_reads(place, part.name):
            continue
        if part.name in here and file_part(folder / part.name, part.name) == part:
            continue
        if fault := _download(catalogue, manifest.step, part, folder):
            return fault
    return ""


def _download(catalogue: Catalogue, step: int, part: PartInfo, folder: Path) -> str:
    key = catalogue.key(step, part.name)
    try:
        catalogue.store.download(key, folder / part.name)
    except ObjectMissing as error:
        return str(error)
    found = file_part(folder / part.name, part.name)
    if found != part:
        (folder / part.name).unlink()
        return (
            f"{catalogue.store.url}/{key}: expected {part.size} bytes of SHA-256 {part.sha256}, "
            f"found {found.size} of {found.sha256}"
        )
    return ""
