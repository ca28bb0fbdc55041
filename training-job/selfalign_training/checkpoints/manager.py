"""What a rank does about checkpoints: going on from one, and sending new ones to the store."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import uuid4

from selfalign.errors import ConfigError
from selfalign_training.checkpoints.catalogue import Catalogue
from selfalign_training.checkpoints.folders import checkpoint_folder
from selfalign_training.checkpoints.restore import Checkpoint, Exchange, restore
from selfalign_training.checkpoints.universal import to_universal
from selfalign_training.checkpoints.upload import Uploader
from selfalign_training.configuration.json_types import JsonObject
from selfalign_training.configuration.zero import offload_device, zero_stage
from selfalign_training.launch.place import Place


class CheckpointManager:
    """Made on every rank, once the process group is there; methods are called by all ranks."""

    def __init__(
        self,
        catalogue: Catalogue,
        place: Place,
        job: Path,
        exchange: Exchange,
        *,
        keep_last: int,
        time_limit: float,
        on_done: Callable[[float], None] = lambda _: None,
    ) -> None:
        """
        Args:
            catalogue: The job's checkpoints in the store.
            place: This rank's.
            job: The job's folder on this node's disk.
            exchange: Gives every rank what all ranks gave.
            keep_last: Complete checkpoints that stay in the store.
            time_limit: Seconds that nodes wait for one another's uploads.
            on_done: Gets the seconds that each checkpoint took, on the first node.
        """
        self._catalogue = catalogue
        self._place = place
        self._job = job
        self._exchange = exchange
        self._time_limit = time_limit
        attempt = exchange(uuid4().hex)[0]
        self._uploader = Uploader(
            catalogue, place, job, attempt=attempt, keep_last=keep_last, on_done=on_done
        )

    def resume(self, settings: JsonObject) -> tuple[Checkpoint | None, bool]:
        """The checkpoint to go on from, and whether it has to be loaded as a universal one.

        Args:
            settings: DeepSpeed's.

        Raises:
            ConfigError: another number of ranks cannot go on with these settings.
            DataError, StoreError: see restore.
            StageError: the checkpoint cannot be converted.
        """
        found = restore(self._catalogue, self._place, self._job, self._exchange)
        if found is None or found.world_size == self._place.world_size:
            return found, False
        if zero_stage(settings) == 0:
            # Nothing is partitioned: every rank loads the same files.
            return found, False
        if offload_device(settings, "optimizer") == "nvme":
            raise ConfigError(
                f"the checkpoint of step {found.step} was written by {found.world_size} ranks and "
                f"this job has {self._place.world_size}; with offload_optimizer.device nvme only "
                f"the same number can go on: start it with {found.world_size} ranks"
            )
        if self._place.leads_node:
            to_universal(found.folder, self._place.local_world_size)
        self._exchange(None)
        return found, True

    def saved(self, step: int, began: float, logs: Sequence[Path]) -> None:
        """Sends a checkpoint off that this rank has written its share of.

        Args:
            step: The checkpoint's.
            began: When it was begun to be written, in monotonic seconds.
            logs: This rank's logs, which become part of it.
        """
        folder = checkpoint_folder(self._job, step)
        for log in logs:
            shutil.copyfile(log, folder / log.name)
        self._exchange(None)
        if self._place.leads_node:
            self._uploader.start(step, began=began, time_limit=self._time_limit)

    def finish(self, *, needed: bool) -> None:
        """Waits for the upload under way. Raises StoreError if it failed and is `needed`."""
        self._uploader.finish(needed=needed)
