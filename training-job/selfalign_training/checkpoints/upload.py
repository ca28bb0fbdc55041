"""Checkpoints on their way into the store, while training goes on."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from selfalign.errors import ObjectMissing, SelfAlignError, StoreError
from selfalign.events import Note, SavedCheckpoint, emit
from selfalign.storage.manifest import PartInfo
from selfalign_training.checkpoints.catalogue import Catalogue, CheckpointManifest
from selfalign_training.checkpoints.files import file_part
from selfalign_training.checkpoints.folders import checkpoint_folder, file_names, keep_newest
from selfalign_training.checkpoints.ownership import node_writes
from selfalign_training.launch.place import Place

POLL_S = 0.5


class NodeList(BaseModel):
    """node-<k>.json: what a node has uploaded of a checkpoint, or why it could not."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    attempt: str
    """The start of the job that uploaded it: a list of an earlier one says nothing."""
    files: tuple[PartInfo, ...] = ()
    error: str = ""


class Uploader:
    """One thread of each node's first rank; no collectives, nodes meet in the store.

    A failed upload is reported, and training goes on.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        place: Place,
        job: Path,
        *,
        attempt: str,
        keep_last: int,
        on_done: Callable[[float], None] = lambda _: None,
    ) -> None:
        """
        Args:
            catalogue: The job's checkpoints in the store.
            place: This rank's.
            job: The job's folder on this node's disk.
            attempt: The same on all nodes of this start of the job, and on no other.
            keep_last: Complete checkpoints that stay in the store.
            on_done: Gets the seconds that a checkpoint took until it was whole in the store.
        """
        self._catalogue = catalogue
        self._place = place
        self._job = job
        self._attempt = attempt
        self._keep_last = keep_last
        self._on_done = on_done
        self._thread: threading.Thread | None = None
        self._error: SelfAlignError | None = None

    def start(self, step: int, *, began: float, time_limit: float) -> None:
        """Uploads a checkpoint that all ranks have written.

        Waits for the upload before this one: a store slower than training holds it back instead
        of filling the disk.

        Args:
            step: The checkpoint's.
            began: When the checkpoint was begun to be written, in monotonic seconds.
            time_limit: Seconds that the first node waits for the others' lists.
        """
        self._join()
        keep_newest(self._job, self._keep_last)
        self._thread = threading.Thread(
            target=self._run,
            args=(step, began, time_limit),
            name=f"upload-{step}",
            daemon=True,
        )
        self._thread.start()

    def finish(self, *, needed: bool) -> None:
        """Waits for the upload under way. Raises StoreError if it failed and is `needed`."""
        self._join()
        if needed and self._error is not None:
            raise self._error

    def _join(self) -> None:
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self, step: int, began: float, time_limit: float) -> None:
        self._error = None
        upload_began = time.monotonic()
        try:
            own = self._upload_own(step)
            if self._place.node != 0:
                return
            files = own + self._others(step, upload_began + time_limit)
            manifest = CheckpointManifest(
                step=step,
                world_size=self._place.world_size,
                job=self._catalogue.job,
                files=tuple(files),
            )
            self._catalogue.write(manifest)
            self._catalogue.keep_last(self._keep_last)
        except SelfAlignError as error:
            self._error = error
            emit(Note(text=f"the checkpoint of step {step} is not in the store: {error}"))
            return
        done = time.monotonic()
        self._on_done(round(done - began, 3))
        emit(
            SavedCheckpoint(
                step=step,
                checkpoint_s=round(done - began, 3),
                upload_s=round(done - upload_began, 3),
                bytes=sum(part.size for part in files),
            )
        )

    def _upload_own(self, step: int) -> list[PartInfo]:
        """Uploads this node's files one by one, then their list."""
        folder = checkpoint_folder(self._job, step)
        files = []
        try:
            for name in file_names(folder):
                if node_writes(self._place, name):
                    files.append(file_part(folder / name, name))
                    self._catalogue.store.upload(folder / name, self._catalogue.key(step, name))
        except (SelfAlignError, OSError) as error:
            self._put_list(step, NodeList(attempt=self._attempt, error=str(error)))
            raise error if isinstance(error, SelfAlignError) else StoreError(str(error)) from error
        self._put_list(step, NodeList(attempt=self._attempt, files=tuple(files)))
        return files

    def _put_list(self, step: int, found: NodeList) -> None:
        key = self._catalogue.key(step, list_name(self._place.node))
        self._catalogue.store.put(key, found.model_dump_json().encode())

    def _others(self, step: int, deadline: float) -> list[PartInfo]:
        """The other nodes' files, as soon as all their lists are there."""
        files: list[PartInfo] = []
        for index in range(1, self._place.nodes):
            files += self._wait_for(step, index, deadline).files
        return files

    def _wait_for(self, step: int, index: int, deadline: float) -> NodeList:
        key = self._catalogue.key(step, list_name(index))
        while True:
            found = self._read_list(key)
            if found is not None and found.error:
                raise StoreError(f"node {index} could not upload its files: {found.error}")
            if found is not None:
                return found
            if time.monotonic() > deadline:
                raise StoreError(
                    f"{self._catalogue.store.url}/{key}: node {index} did not write it"
                )
            time.sleep(POLL_S)

    def _read_list(self, key: str) -> NodeList | None:
        """A node's list, if it is there and of this start."""
        try:
            found = NodeList.model_validate_json(self._catalogue.store.get(key))
        except (ObjectMissing, ValidationError):
            return None
        return found if found.attempt == self._attempt else None


def list_name(index: int) -> str:
    """The name of a node's list."""
    return f"node-{index}.json"
