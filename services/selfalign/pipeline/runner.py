"""The runner: walks the stages, keeps what is done, starts what is not."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from selfalign.constitution.load import load_constitution
from selfalign.errors import FingerprintMismatch, StageError, TooManyFailures
from selfalign.evaluation.benchmark_files import load_benchmarks
from selfalign.pipeline.config import RunConfig
from selfalign.pipeline.executors.base import EventSink, Executor, ServiceName
from selfalign.pipeline.fingerprint import (
    FILES,
    check_fingerprint,
    describe_differences,
    file_digest,
    model_digest,
    stage_fingerprint,
)
from selfalign.pipeline.progress import ProgressEvent, Report
from selfalign.pipeline.run import Run, create_or_resume
from selfalign.pipeline.stages.evaluate import run_evaluation
from selfalign.pipeline.stages.inputs import training_prompts
from selfalign.pipeline.stages.ledger import close_table
from selfalign.pipeline.stages.prompts import (
    close_prompts,
    count_accepted,
    select_prompts,
    wanted_prompts,
)
from selfalign.pipeline.stages.training import merged_weights, training_settings
from selfalign.pipeline.stages.units import failed_ids
from selfalign.pipeline.worker import Assignment
from selfalign.prompt_synthesizer.seeds import load_task_seeds, load_topic_seeds
from selfalign.storage.manifest import Manifest
from selfalign.storage.stages import STAGES, TRAINING_STAGES, StageName
from selfalign.storage.store import Store
from selfalign.storage.tables import PART_NAME, list_parts


@dataclass(slots=True)
class Runner:
    """Takes a run from wherever it is to the end."""

    run: Run
    executor: Executor
    report: Report

    def walk(self, until: StageName = STAGES[-1]) -> None:
        """Does every stage up to `until` that is not done.

        Raises:
            FingerprintMismatch: a finished stage was made with other settings.
            SelfAlignError: as the stage's parts raise; what was finished stays in the store.
        """
        for stage in STAGES:
            fingerprint = stage_fingerprint(self.run, stage)
            manifest = self.run.manifest(stage)
            if manifest is not None:
                check_fingerprint(stage, manifest, fingerprint)
                self._tell("stage_kept", stage, **summary(manifest))
            else:
                self._do(stage, fingerprint)
            if stage == until:
                return

    def _do(self, stage: StageName, fingerprint: dict[str, Any]) -> None:
        self._tell("stage_started", stage)
        started = time.monotonic()
        steps: dict[StageName, Callable[[dict[str, Any]], None]] = {
            "topics": self._topics,
            "prompts": self._prompts,
            "align": self._align,
            "engrave": lambda fingerprint: self._train("engrave", fingerprint),
            "refine": self._refine,
            "distill": lambda fingerprint: self._train("distill", fingerprint),
            "evaluate": self._evaluate,
        }
        steps[stage](fingerprint)
        manifest = self.run.manifest(stage)
        if manifest is None:
            raise StageError(f"stage {stage} ended without a manifest")
        seconds = round(time.monotonic() - started, 1)
        self._tell("stage_done", stage, seconds=seconds, **summary(manifest))

    def _topics(self, fingerprint: dict[str, Any]) -> None:
        self._work("topics", self._base_service("prompt-synthesizer"))
        close_table(self.run, "topics", fingerprint, expected=None)

    def _prompts(self, fingerprint: dict[str, Any]) -> None:
        target = self._base_service("prompt-synthesizer")
        for rounds in range(1, self.run.config.prompts.max_rounds + 1):
            self._work("prompts", target, attempt=rounds)
            rows = select_prompts(self.run, rounds)
            if count_accepted(rows) >= wanted_prompts(self.run):
                break
        close_prompts(self.run, rows, rounds, fingerprint)

    def _align(self, fingerprint: dict[str, Any]) -> None:
        self._answer("align", self._base_service("principle-engine"), fingerprint)
        # One machine has no room for an engine beside the training.
        self.executor.release("base")

    def _refine(self, fingerprint: dict[str, Any]) -> None:
        engine = self.executor.serve("engraved", merged_weights(self.run, "engrave"))
        self._answer("refine", self.executor.service("refiner", engine), fingerprint)
        self.executor.release("engraved")

    def _answer(self, stage: StageName, target: str, fingerprint: dict[str, Any]) -> None:
        settings = self.run.config.rows
        prompts = training_prompts(self.run)
        self._work(stage, target)
        first = self._next_attempt(stage)
        for attempt in range(first, first + settings.retry_rounds):
            failed = failed_ids(self.run, stage)
            if not failed:
                break
            self._tell("note", stage, text=f"trying {len(failed)} failed rows again")
            self._work(stage, target, attempt=attempt)
        failed = failed_ids(self.run, stage)
        if len(failed) > settings.max_failed_share * len(prompts):
            raise TooManyFailures(
                f"{stage}: {len(failed)} of {len(prompts)} rows failed, more than "
                f"rows.max_failed_share allows; run again to retry them, or look at one: "
                f"selfalign show {min(failed)}"
            )
        close_table(self.run, stage, fingerprint, expected={row.prompt_id for row in prompts})

    def _next_attempt(self, stage: StageName) -> int:
        """One more than any part's attempt, so that a resumed run never reuses a number."""
        names = list_parts(self.run.store, self.run.prefix(stage))
        attempts = [
            int(match["attempt"] or 1) for name in names if (match := PART_NAME.fullmatch(name))
        ]
        return max(attempts, default=1) + 1

    def _train(self, stage: StageName, fingerprint: dict[str, Any]) -> None:
        settings = training_settings(self.run, stage, fingerprint)
        self.executor.train(stage, settings, self._sink(stage))

    def _evaluate(self, fingerprint: dict[str, Any]) -> None:
        run_evaluation(self.run, self.executor, self.report, fingerprint)

    def _base_service(self, name: ServiceName) -> str:
        engine = self.executor.serve("base", self.run.config.model.base)
        return self.executor.service(name, engine)

    def _work(self, stage: StageName, target: str, attempt: int = 1) -> None:
        count = self.run.config.executor.workers
        assignments = [
            Assignment(stage=stage, index=index, count=count, attempt=attempt)
            for index in range(count)
        ]
        self.executor.run_workers(assignments, target, self._sink(stage))

    def _sink(self, stage: StageName) -> EventSink:
        def sink(event: dict[str, Any]) -> None:
            fields = dict(event)
            self._tell(fields.pop("event"), stage, **fields)

        return sink

    def _tell(self, kind: str, stage: str, **fields: Any) -> None:  # noqa: ANN401
        self.report(ProgressEvent(kind, stage, fields))


def prepare(store: Store, config: RunConfig) -> Run:
    """Checks everything that can be wrong before any work starts, then opens the run.

    Raises:
        StoreNotWritable, StoreError: the store does not take objects.
        FingerprintMismatch: the run exists with other settings; each difference is shown.
        ConfigError, DataError: a file that the run names is missing or wrong.
    """
    check_files(config)
    store.check_writable()
    run, found = create_or_resume(store, config)
    if found:
        raise FingerprintMismatch(describe_differences(found, f"run {config.name!r} exists with"))
    return run


def check_files(config: RunConfig) -> None:
    """Reads every file that the run names, so that a wrong one is refused now."""
    load_constitution(config.constitution)
    load_task_seeds(config.task_seeds)
    load_topic_seeds(config.topic_seeds)
    for names in FILES.values():
        for name in names:
            file_digest(config, name)
    load_benchmarks(config.evaluate)
    model_digest(config.model.base)


def check_training(run: Run, executor: Executor) -> None:
    """Has the training job check its settings before the first stage starts."""
    for stage in TRAINING_STAGES:
        executor.check_training(training_settings(run, stage, {}))


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
