"""The runner: walks the stages, keeps what is done, starts what is not."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from selfalign.errors import StageError
from selfalign.events import Event, EventSink, Note, StageDone, StageKept, StageStarted
from selfalign.pipeline.executors.contract.executor import Executor
from selfalign.pipeline.run.run import Run
from selfalign.pipeline.runner.fingerprint import (
    check_fingerprint,
    is_outgrown,
    stage_fingerprint,
)
from selfalign.pipeline.stages.kinds.stage import Stage, StageWork
from selfalign.pipeline.stages.register import STAGES
from selfalign.storage.manifest import Manifest, manifest_key


@dataclass(slots=True)
class Runner:
    """Takes a run from wherever it is to the end."""

    run: Run
    executor: Executor
    report: EventSink

    def walk(self, stages: Sequence[Stage] = STAGES) -> None:
        """Does every one of the stages that is not done.

        An evaluation that was made before the last models were is made again.

        Raises:
            FingerprintMismatch: a finished stage was made with other settings.
            SelfAlignError: as the stage's parts raise; what was finished stays in the store.
        """
        for stage in stages:
            fingerprint = stage_fingerprint(self.run, stage)
            manifest = self.run.manifest(stage.name)
            if manifest is not None and is_outgrown(stage, manifest, fingerprint):
                self._sink(stage)(Note(text="made before all models were; made again"))
                self.run.store.delete(manifest_key(self.run.prefix(stage.name)))
                manifest = None
            if manifest is not None:
                check_fingerprint(stage, manifest, fingerprint)
                self._sink(stage)(StageKept(**summary(manifest)))
            else:
                self._do(stage, fingerprint, stages)
        if stages[-1] is STAGES[-1]:
            self.executor.finish()

    def _do(self, stage: Stage, fingerprint: dict[str, Any], stages: Sequence[Stage]) -> None:
        sink = self._sink(stage)
        sink(StageStarted())
        started = time.monotonic()
        stage.make(StageWork(self.run, self.executor, sink, fingerprint, stages))
        manifest = self.run.manifest(stage.name)
        if manifest is None:
            raise StageError(f"stage {stage.name} ended without a manifest")
        seconds = round(time.monotonic() - started, 1)
        sink(StageDone(seconds=seconds, **summary(manifest)))

    def _sink(self, stage: Stage) -> EventSink:
        """Adds the stage to what its processes tell."""

        def sink(event: Event) -> None:
            self.report(event.model_copy(update={"stage": stage.name}))

        return sink


def summary(manifest: Manifest) -> dict[str, Any]:
    """What progress says of a finished stage."""
    if not manifest.inputs:
        return {"details": manifest.details}
    return {
        "inputs": manifest.inputs,
        "accepted": manifest.accepted,
        "rejected": manifest.rejected,
        "failed": manifest.failed,
        "reasons": manifest.reasons,
    }
