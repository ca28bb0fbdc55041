"""Local checkpoints: complete ones carry a marker, which is written last."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from selfalign.errors import ConfigError

MARKER = "complete.json"
PATTERN = "checkpoint-*"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A complete checkpoint: its folder and the optimizer steps done."""

    folder: Path
    step: int


def mark_complete(folder: Path, step: int, world_size: int) -> None:
    """Says that every rank has written its share."""
    partial = folder / f".{MARKER}"
    partial.write_text(json.dumps({"step": step, "world_size": world_size}))
    partial.replace(folder / MARKER)


def newest_complete(job: Path, world_size: int) -> Checkpoint | None:
    """The checkpoint to go on from, or None; a half-written one is passed over.

    Raises:
        ConfigError: it was written by another number of ranks.
    """
    found = complete_checkpoints(job)
    if not found:
        return None
    newest = found[-1]
    written_by = json.loads((newest.folder / MARKER).read_text())["world_size"]
    if written_by != world_size:
        raise ConfigError(
            f"{newest.folder}: written by {written_by} ranks, this job has {world_size}; start it "
            f"with {written_by} ranks, or delete {job} to begin anew"
        )
    return newest


def complete_checkpoints(job: Path) -> list[Checkpoint]:
    """All complete checkpoints of a job, oldest first."""
    found = []
    for marker in job.glob(f"{PATTERN}/{MARKER}"):
        try:
            found.append(Checkpoint(marker.parent, int(json.loads(marker.read_text())["step"])))
        except (ValueError, KeyError, TypeError):
            continue
    return sorted(found, key=lambda checkpoint: checkpoint.step)


def prune(job: Path, keep_last: int) -> None:
    """Deletes all checkpoints but the newest complete ones; the marker goes first."""
    keep = {checkpoint.folder for checkpoint in complete_checkpoints(job)[-keep_last:]}
    for folder in job.glob(PATTERN):
        if folder not in keep:
            (folder / MARKER).unlink(missing_ok=True)
            shutil.rmtree(folder, ignore_errors=True)
