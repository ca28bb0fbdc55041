"""A job's checkpoints on the local disk: `<job>/checkpoint-123/`, as transformers names them."""

import re
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

FOLDER = re.compile(r"checkpoint-(\d+)")


def checkpoint_folder(job: Path, step: int) -> Path:
    """Where transformers writes the checkpoint of a step."""
    return job / f"checkpoint-{step}"


def local_steps(job: Path) -> list[int]:
    """The steps whose folders are there, whole or not, oldest first."""
    if not job.is_dir():
        return []
    found = (FOLDER.fullmatch(path.name) for path in job.iterdir())
    return sorted(int(match.group(1)) for match in found if match)


def file_names(folder: Path) -> Iterator[str]:
    """The files under a folder, as paths relative to it."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.relative_to(folder).as_posix()


def keep_newest(job: Path, count: int) -> None:
    """Deletes all but the newest folders."""
    for step in local_steps(job)[:-count]:
        shutil.rmtree(checkpoint_folder(job, step), ignore_errors=True)


def remove_after(job: Path, step: int) -> None:
    """Deletes what belongs to steps that will be done again: it may be half written."""
    for later in local_steps(job):
        if later > step:
            shutil.rmtree(checkpoint_folder(job, later), ignore_errors=True)


def remove_others(folder: Path, names: Collection[str]) -> None:
    """Deletes the files of a folder that are not among `names`."""
    for name in list(file_names(folder)):
        if name not in names:
            (folder / name).unlink(missing_ok=True)
