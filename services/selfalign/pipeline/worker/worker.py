"""The stage worker: streams its share of a stage's units through a service and writes parts.

Workers keep no state. A unit is done when its part is there; whoever is killed leaves nothing but
parts that are whole, and the next worker goes on with the units that have none.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, TypeVar

from selfalign.errors import (
    EngineLost,
    EngineUnavailable,
    ObjectExists,
    SelfAlignError,
    TooManyFailures,
    retry_may_help,
)
from selfalign.pipeline.progress.row_counts import RowCounts
from selfalign.pipeline.run.run import Run
from selfalign.pipeline.stages.kinds.answer_stage import AnswerStage
from selfalign.pipeline.stages.kinds.generation_stage import GenerationStage
from selfalign.pipeline.stages.kinds.table_stage import TableStage
from selfalign.pipeline.units.assignment import Assignment
from selfalign.pipeline.units.pending import Pending
from selfalign.pipeline.units.unit_parts import missing_parts
from selfalign.pipeline.units.units import Unit
from selfalign.rpc.channel import ChannelSettings
from selfalign.rpc.clients import PromptSynthesizerClient
from selfalign.storage.rows import Row
from selfalign.storage.tables import create_part, part_name

UnitType = TypeVar("UnitType", bound=Unit)

logger = logging.getLogger(__name__)

RECONNECTS = 5
# Units that one worker has under way at once: the tail of one overlaps the start of the next.
UNITS_IN_FLIGHT = 8


@dataclass(slots=True)
class Worker:
    """One worker on one stage."""

    run: Run
    stage: TableStage
    assignment: Assignment
    channel: ChannelSettings
    report: Callable[[RowCounts], None] = lambda counts: None
    on_row: Callable[[Row], None] = lambda row: None
    """Hears every row that comes back."""
    counts: RowCounts = field(default_factory=RowCounts)

    async def work(self) -> RowCounts:
        """Does all units of the assignment that have no part yet.

        Raises:
            TooManyFailures: a unit failed as a whole; the next run tries it again.
            EngineUnavailable: the service cannot be reached.
        """
        match self.stage:
            case GenerationStage():
                await self._generate(self.stage)
            case AnswerStage():
                await self._answer(self.stage)
            case other:
                raise SelfAlignError(f"stage {other.name}: no worker does this kind of stage")
        return self.counts

    async def _generate(self, stage: GenerationStage[Any]) -> None:
        gate = asyncio.Semaphore(UNITS_IN_FLIGHT)
        units = await asyncio.to_thread(self._missing, stage.units)
        async with PromptSynthesizerClient(self.channel) as client:

            async def one(unit: Unit) -> None:
                async with gate:
                    await self._write(unit.unit, await self._made(stage, client, unit))

            async with asyncio.TaskGroup() as tasks:
                for unit in units:
                    tasks.create_task(one(unit))

    async def _made(
        self, stage: GenerationStage[Any], client: PromptSynthesizerClient, unit: Unit
    ) -> list[Row]:
        """The unit's rows; made again, from the same seeds, where too many failed.

        What a request's own fault failed stays so: another try would end alike.

        Raises:
            TooManyFailures: more failed again than rows.max_failed_share allows. No part is
                written, so the next run makes the unit again: other rows would follow from a part
                with holes.
        """
        settings = self.run.config.rows
        for left in range(settings.retry_rounds, -1, -1):
            rows = await self._streamed(stage, client, unit)
            failed = [row for row in rows if row.status == "failed" and retry_may_help(row.reason)]
            if len(failed) <= settings.max_failed_share * len(rows):
                break
            if not left:
                raise TooManyFailures(
                    f"{self.stage.name}: unit {unit.unit}: {len(failed)} of {len(rows)} requests "
                    f"failed, the last with {failed[-1].reason}: {failed[-1].evidence}"
                )
            for row in rows:
                self.counts.forget(row)
        return rows

    async def _streamed(
        self, stage: GenerationStage[Any], client: PromptSynthesizerClient, unit: Unit
    ) -> list[Row]:
        """The unit's rows, asked for again from the beginning where the service goes away."""
        reconnects = 0
        while True:
            rows: list[Row] = []
            try:
                async for row in stage.rows(client, self.run, unit):
                    rows.append(self._count(row))
            except EngineLost:
                raise
            except EngineUnavailable as error:
                for row in rows:
                    self.counts.forget(row)
                reconnects += 1
                if reconnects > RECONNECTS:
                    raise
                await _before_reconnect(reconnects, error)
            else:
                return rows

    async def _answer(self, stage: AnswerStage) -> None:
        pending = Pending(await asyncio.to_thread(self._missing, stage.units))
        self.counts.total = pending.left
        reconnects = 0
        while pending.left:
            before = pending.left
            try:
                await self._stream(stage, pending)
            except EngineLost:
                # The engine, not the service: another connection to this one finds it no better.
                raise
            except EngineUnavailable as error:
                # The service went away (rollout, crash): what it had not answered is asked again.
                reconnects = 0 if pending.left < before else reconnects + 1
                if reconnects > RECONNECTS:
                    raise
                await _before_reconnect(reconnects, error)

    async def _stream(self, stage: AnswerStage, pending: Pending) -> None:
        async with (
            stage.asking(self.channel, self.run) as ask,
            aclosing(ask(pending.items())) as rows,
        ):
            async for row in rows:
                complete = pending.add(self._count(row))
                if complete is not None:
                    await self._write(complete.unit, complete.rows)

    def _missing(self, all_units: Callable[[Run, int], Sequence[UnitType]]) -> list[UnitType]:
        """Our units that have no part of this pass yet."""
        attempt = self.assignment.attempt
        mine = [u for u in all_units(self.run, attempt) if self.assignment.takes(u.unit)]
        missing = missing_parts(
            self.run.store,
            self.stage.parts_prefix(self.run, attempt),
            [unit.unit for unit in mine],
            self.stage.part_attempt(attempt),
        )
        return [unit for unit in mine if unit.unit in missing]

    async def _write(self, unit: int, rows: Sequence[Row]) -> None:
        attempt = self.assignment.attempt
        name = part_name(unit, self.stage.part_attempt(attempt))
        key = f"{self.stage.parts_prefix(self.run, attempt)}/{name}"
        try:
            await asyncio.to_thread(create_part, self.run.store, key, rows)
        except ObjectExists:
            logger.info("another worker wrote %s first; its rows count", key)

    def _count(self, row: Row) -> Row:
        self.counts.add(row)
        self.on_row(row)
        self.report(self.counts)
        return row


async def _before_reconnect(reconnects: int, error: EngineUnavailable) -> None:
    logger.warning("service unavailable, reconnecting: %s", error)
    await asyncio.sleep(min(2.0**reconnects, 15.0))
