"""The checkpoints of one job in the store: `<output>/checkpoints/<job key>/step-000123/`."""

import re
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, ValidationError

from selfalign.errors import ObjectMissing
from selfalign.storage.manifest import PartInfo
from selfalign.storage.store import Store

MANIFEST = "manifest.json"
STEP_FOLDER = re.compile(r"step-(\d{6,})")


class CheckpointManifest(BaseModel):
    """Written last, when all files of all nodes are there."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    step: int
    """Optimizer steps done."""
    world_size: int
    job: str
    """The key of the job: its settings and its data."""
    files: tuple[PartInfo, ...]


@dataclass(frozen=True, slots=True)
class CheckpointCandidate:
    """A checkpoint that was completed once; its manifest, or what is wrong with it."""

    step: int
    manifest: CheckpointManifest | None
    fault: str = ""


class Catalogue:
    """All methods block; they raise StoreError."""

    def __init__(self, store: Store, output_prefix: str, job: str) -> None:
        self.store = store
        self.job = job
        self._root = f"{checkpoints_prefix(output_prefix)}/{job}"

    @property
    def place(self) -> str:
        """The checkpoints' address, for messages."""
        return f"{self.store.url}/{self._root}"

    def key(self, step: int, name: str) -> str:
        """Where a file of a checkpoint lies."""
        return f"{self._root}/step-{step:06d}/{name}"

    def complete(self) -> list[int]:
        """The steps of the checkpoints that have a manifest, oldest first."""
        return sorted(step for step, names in self._steps().items() if MANIFEST in names)

    def candidates(self) -> list[CheckpointCandidate]:
        """What a job could go on from, newest first."""
        return [self._read(step) for step in reversed(self.complete())]

    def write(self, manifest: CheckpointManifest) -> None:
        """Makes a checkpoint complete."""
        data = manifest.model_dump_json(indent=2).encode()
        self.store.put(self.key(manifest.step, MANIFEST), data)

    def keep_last(self, count: int) -> None:
        """Deletes all but the newest complete checkpoints, and what lies unfinished between."""
        kept = self.complete()[-count:]
        for step in self._steps():
            if kept and step < kept[-1] and step not in kept:
                self.discard(step)

    def discard_after(self, step: int) -> None:
        """Deletes what belongs to steps that will be done again."""
        for later in self._steps():
            if later > step:
                self.discard(later)

    def discard(self, step: int) -> None:
        """Deletes a checkpoint, its manifest first: half of one must not look whole."""
        self.store.delete(self.key(step, MANIFEST))
        for info in self.store.list(self.key(step, "").rstrip("/")):
            self.store.delete(info.key)

    def _read(self, step: int) -> CheckpointCandidate:
        key = self.key(step, MANIFEST)
        try:
            manifest = CheckpointManifest.model_validate_json(self.store.get(key))
        except ObjectMissing as error:
            return CheckpointCandidate(step, None, str(error))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]["msg"]
            return CheckpointCandidate(
                step, None, f"{self.store.url}/{key}: not a manifest: {first}"
            )
        return CheckpointCandidate(step, manifest)

    def _steps(self) -> dict[int, set[str]]:
        """The names under each step's folder."""
        found: dict[int, set[str]] = {}
        for info in self.store.list(self._root):
            folder, _, name = info.key.removeprefix(f"{self._root}/").partition("/")
            if match := STEP_FOLDER.fullmatch(folder):
                found.setdefault(int(match.group(1)), set()).add(name)
        return found


def checkpoints_prefix(output_prefix: str) -> str:
    """The folder of all checkpoints of an output, whatever their job's settings."""
    return f"{output_prefix}/checkpoints"


def delete_checkpoints(store: Store, output_prefix: str) -> None:
    """Deletes all checkpoints of an output that is done."""
    for info in store.list(checkpoints_prefix(output_prefix)):
        store.delete(info.key)
