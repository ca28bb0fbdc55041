"""What a rank does about checkpoints: going on from one, and sending new ones to the store."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from selfalign.errors import ConfigError
from selfalign_training.checkpoints.catalogue import Catalogue
from selfalign_training.checkpoints.folders import checkpoint_folder
from selfalign_training.checkpoints.node import Node
from selfalign_training.checkpoints.restore import Checkpoint, Exchange, restore
from selfalign_training.checkpoints.universal import to_universal
from selfalign_training.checkpoints.upload import Uploader
from selfalign_training.zero import zero_stage


class Keeper:
    """Made on every rank, once the process group is there; methods are called by all ranks."""

    def __init__(
        self,
        catalogue: Catalogue,
        node: Node,
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
            node: This rank's place.
            job: The job's folder on this node's disk.
            exchange: Gives every rank what all ranks gave.
            keep_last: Complete checkpoints that stay in the store.
            time_limit: Seconds that nodes wait for one another's uploads.
            on_done: Gets the seconds that each checkpoint took, on the first node.
        """
        self._catalogue = catalogue
        self._node = node
        self._job = job
        self._exchange = exchange
        self._time_limit = time_limit
        self._world_size = len(exchange(None))
        attempt: str = exchange(uuid4().hex)[0]
        self._uploader = Uploader(
            catalogue, node, job, attempt=attempt, keep_last=keep_last, on_done=on_done
        )

    def resume(self, settings: dict[str, Any]) -> tuple[Checkpoint | None, bool]:
        """The checkpoint to go on from, and whether it has to be loaded as a universal one.

        Args:
            settings: DeepSpeed's.

        Raises:
            ConfigError: another number of ranks cannot go on with these settings.
            DataError, StoreError: see restore.
            StageError: the checkpoint cannot be converted.
        """
        found = restore(self._catalogue, self._node, self._world_size, self._job, self._exchange)
        if found is None or found.world_size == self._world_size:
            return found, False
        if zero_stage(settings) == 0:
            # Nothing is partitioned: every rank loads the same files.
            return found, False
        offload = settings["zero_optimization"].get("offload_optimizer") or {}
        if offload.get("device") == "nvme":
            raise ConfigError(
                f"the checkpoint of step {found.step} was written by {found.world_size} ranks and "
                f"this job has {self._world_size}; with offload_optimizer.device nvme only the "
                f"same number can go on: start it with {found.world_size} ranks"
            )
        if self._node.leads:
            to_universal(found.folder, self._node.local_world_size)
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
        if self._node.leads:
            self._uploader.start(step, self._world_size, began=began, time_limit=self._time_limit)

    def finish(self, *, needed: bool) -> None:
        """Waits for the upload under way. Raises StoreError if it failed and is `needed`."""
        self._uploader.finish(needed=needed)
