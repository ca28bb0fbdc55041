"""Table stages that answer every prompt of the run: one row for each, failed ones tried again."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import pyarrow.compute as pc

from selfalign.errors import TooManyFailures
from selfalign.pipeline.run.run import Run
from selfalign.pipeline.stages.kinds.ledger import close_table
from selfalign.pipeline.stages.kinds.stage import StageWork
from selfalign.pipeline.stages.kinds.table_stage import TableStage
from selfalign.pipeline.units.unit_parts import next_attempt
from selfalign.pipeline.units.units import RowUnit
from selfalign.rpc.calls import Items
from selfalign.rpc.channel import ChannelSettings
from selfalign.storage.rows import PromptItem, Row, RowStatus, derive_seed
from selfalign.storage.tables import read_rows

Ask = Callable[[Items], AsyncGenerator[Row, None]]
"""One row for each item, in order of completion, until the items end. Raises EngineUnavailable
where the service goes away or leaves prompts unanswered."""


@dataclass(frozen=True, kw_only=True)
class AnswerStage(TableStage):
    """A stage with one row for each of the prompts."""

    prompts: Callable[[Run], list[Row]]
    """The rows that it answers, sorted by prompt id."""
    asking: Callable[[ChannelSettings, Run], AbstractAsyncContextManager[Ask]]
    """Opens a client of the service for as long as the context lasts."""

    def units(self, run: Run, attempt: int) -> list[RowUnit]:
        """The prompts in chunks; for a later attempt just those with failed rows left."""
        prompts = self.prompts(run)
        size = run.config.rows.rows_per_unit
        failed = failed_ids(run, self.name) if attempt > 1 else None
        units = []
        for unit, start in enumerate(range(0, len(prompts), size)):
            chunk = [
                self._item(run, row, attempt)
                for row in prompts[start : start + size]
                if failed is None or row.prompt_id in failed
            ]
            if chunk:
                units.append(RowUnit(unit, tuple(chunk)))
        return units

    def expected_rows(self, run: Run) -> set[str]:
        return {row.prompt_id for row in self.prompts(run)}

    def make(self, work: StageWork) -> None:
        """Answers all prompts, tries failed rows again, and closes the table.

        Raises:
            TooManyFailures: more rows failed than rows.max_failed_share allows.
        """
        run, settings = work.run, work.run.config.rows
        target = self.serve(work)
        self.run_workers(work, target)
        first = next_attempt(run.store, run.prefix(self.name))
        for attempt in range(first, first + settings.retry_rounds):
            failed = failed_ids(run, self.name)
            if not failed:
                break
            work.note(f"trying {len(failed)} failed rows again")
            self.run_workers(work, target, attempt)
        expected, failed = self.expected_rows(run), failed_ids(run, self.name)
        if len(failed) > settings.max_failed_share * len(expected):
            raise TooManyFailures(
                f"{self.name}: {len(failed)} of {len(expected)} rows failed, more than "
                f"rows.max_failed_share allows; run again to retry them, or look at one: "
                f"selfalign show {min(failed)}"
            )
        close_table(run, self.name, work.fingerprint, expected=expected)
        # A training stage follows: one machine has no room for an engine beside it.
        work.executor.release(self.role)

    def _item(self, run: Run, row: Row, attempt: int) -> PromptItem:
        seed = derive_seed(run.config.seed, self.name, row.prompt_id, attempt)
        return PromptItem.of(row, seed=seed, attempt=attempt)


def failed_ids(run: Run, stage: str) -> set[str]:
    """Rows of the stage whose latest attempt failed."""
    table = read_rows(run.store, run.prefix(stage), columns=["row_id", "status"])
    failed = table.filter(pc.equal(table["status"], RowStatus.FAILED.value))
    return set(failed["row_id"].to_pylist())
