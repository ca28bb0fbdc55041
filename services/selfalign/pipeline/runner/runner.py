"""The runner: walks the stages, keeps what is done, starts what is not."""

import time
from dataclasses import dataclass
from typing import Any

from selfalign.errors import StageError
from selfalign.events import Event, EventSink, StageDone, StageKept, StageStarted
from selfalign.pipeline.executors.contract.executor import Executor
from selfalign.pipeline.run.run import Run
from selfalign.pipeline.runner.fingerprint import check_fingerprint, stage_fingerprint
from selfalign.pipeline.stages.kinds.stage import Stage, StageWork
from selfalign.pipeline.stages.register import STAGES
from selfalign.storage.manifest import Manifest


@dataclass(slots=True)
class Runner:
    """Takes a run from wherever it is to the end."""

    run: Run
    executor: Executor
    report: EventSink

    def walk(self, until: Stage = STAGES[-1]) -> None:
        """Does every stage up to `until` that is not done.

        Raises:
            FingerprintMismatch: a finished stage was made with other settings.
            SelfAlignError: as the stage's parts raise; what was finished stays in the store.
        """
        for stage in STAGES:
            fingerprint = stage_fingerprint(self.run, stage)
            manifest = self.run.manifest(stage.name)
            if manifest is not None:
                check_fingerprint(stage, manifest, fingerprint)
                self._sink(stage)(StageKept(**summary(manifest)))
            else:
                self._do(stage, fingerprint)
            if stage is until:
                break
        if until is STAGES[-1]:
            self.executor.finish()

    def _do(self, stage: Stage, fingerprint: dict[str, Any]) -> None:
        sink = self._sink(stage)
        sink(StageStarted())
        started = time.monotonic()
        stage.make(StageWork(self.run, self.executor, sink, fingerprint, STAGES))
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
