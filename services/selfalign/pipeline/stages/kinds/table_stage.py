"""Stages that make a table of rows: workers stream units through a gRPC service into parts."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from selfalign.errors import StoreError
from selfalign.pipeline.run.run import Run
from selfalign.pipeline.stages.kinds.ledger import check_table
from selfalign.pipeline.stages.kinds.stage import Proof, Stage, StageWork
from selfalign.pipeline.stages.kinds.training_stage import TrainingStage
from selfalign.pipeline.units.assignment import WorkerGroup
from selfalign.pipeline.units.unit_parts import missing_parts
from selfalign.pipeline.units.units import Unit
from selfalign.roles import ModelRole, ServiceName
from selfalign.storage.manifest import Manifest


@dataclass(frozen=True, kw_only=True)
class TableStage(Stage):
    """A stage whose output is one row for each of its inputs; see storage.rows."""

    service: ServiceName
    """Who makes the rows."""
    model: TrainingStage | None = None
    """The stage whose weights the service's engine serves; None: the base model."""

    @property
    def role(self) -> ModelRole:
        """The engine that the service needs."""
        return "base" if self.model is None else self.model.makes

    @abstractmethod
    def units(self, run: Run, attempt: int) -> Sequence[Unit]:
        """All units of one pass over the stage: a pure function of configuration and store."""

    def parts_prefix(self, run: Run, attempt: int) -> str:
        """The folder in the store for the parts of one pass."""
        return run.prefix(self.name)

    def part_attempt(self, attempt: int) -> int:
        """The attempt in the names of a pass's parts: failed rows stand beside the first ones."""
        return attempt

    @abstractmethod
    def expected_rows(self, run: Run) -> set[str] | None:
        """The ids of the rows that the stage must have; None where it makes its own."""

    def proofs(self, run: Run, manifest: Manifest) -> Iterator[Proof]:
        def add_up() -> None:
            check_table(run, manifest, self.expected_rows(run))

        yield "rows add up, none doubled or lost", add_up

    def serve(self, work: StageWork) -> str:
        """Has engine and service answer; returns the service's target address."""
        run = work.run
        weights = run.config.model.weights if self.model is None else self.model.weights(run)
        engine = work.executor.serve(self.role, weights)
        return work.executor.service(self.service, engine)

    def run_workers(self, work: StageWork, target: str, attempt: int = 1) -> None:
        """One pass over the stage by all workers.

        Raises:
            StoreError: a worker ended well, and a part of its units is not in the store.
        """
        run = work.run
        units = [unit.unit for unit in self.units(run, attempt)]
        count = run.config.executor.workers
        group = WorkerGroup(self.name, count, attempt, work.fingerprint)
        work.executor.run_workers(group, target, work.report)
        prefix = self.parts_prefix(run, attempt)
        lost = missing_parts(run.store, prefix, units, self.part_attempt(attempt))
        if lost:
            raise StoreError(
                f"{self.name}: {len(lost)} of {len(units)} units have no part in {prefix} though "
                f"their workers ended well: {', '.join(str(one) for one in sorted(lost)[:5])}; run "
                "again to make them"
            )
