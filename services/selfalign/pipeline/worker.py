"""The stage worker: streams its share of a stage's units through a service and writes parts.

Workers keep no state. A unit is done when its part is there; whoever is killed leaves nothing but
parts that are whole, and the next worker goes on with the units that have none.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Self

from pydantic import model_validator

from selfalign.errors import EngineUnavailable, ObjectExists, SelfAlignError, TooManyFailures
from selfalign.pipeline.progress import RowCounts
from selfalign.pipeline.run import Run
from selfalign.pipeline.stages.units import (
    PromptUnit,
    RowUnit,
    TopicUnit,
    missing_parts,
    prompt_units,
    row_units,
    topic_units,
)
from selfalign.rpc.channel import ChannelSettings
from selfalign.rpc.clients import PrincipleEngineClient, PromptSynthesizerClient, RefinerClient
from selfalign.settings.section import Count, PositiveInt, Section
from selfalign.storage.rows import PromptItem, Row
from selfalign.storage.stages import StageName
from selfalign.storage.tables import create_part, part_name

logger = logging.getLogger(__name__)

UNIT_DEADLINE_S = 6 * 3600.0
RECONNECTS = 5
# A unit of which more than this share failed says that the engine is down, not that rows are bad.
FAILED_SHARE_LIMIT = 0.5
# Units that one worker has under way at once: the tail of one overlaps the start of the next.
UNITS_IN_FLIGHT = 8


class Assignment(Section):
    """Which units are this worker's: those whose number is `index` modulo `count`."""

    stage: StageName
    """The stage to work on."""
    index: Count = 0
    """Number of this worker."""
    count: PositiveInt = 1
    """Number of workers that share the stage."""
    attempt: PositiveInt = 1
    """For `prompts` the round of generation, for `align` and `refine` the attempt at rows that
    failed."""

    @model_validator(mode="after")
    def _index_below_count(self) -> Self:
        if self.index >= self.count:
            raise ValueError(f"index {self.index} is not below count {self.count}")
        return self

    def takes(self, unit: int) -> bool:
        return unit % self.count == self.index


@dataclass(slots=True)
class Worker:
    """One worker on one stage."""

    run: Run
    assignment: Assignment
    channel: ChannelSettings
    report: Callable[[RowCounts], None] = lambda counts: None
    on_row: Callable[[Row], None] = lambda row: None
    """Told of every row that comes back."""
    counts: RowCounts = field(default_factory=RowCounts)

    async def work(self) -> RowCounts:
        """Does all units of the assignment that have no part yet.

        Raises:
            TooManyFailures: a unit failed as a whole; the next run tries it again.
            EngineUnavailable: the service cannot be reached.
        """
        match self.assignment.stage:
            case "topics":
                await self._synthesize(topic_units(self.run), self.run.prefix("topics"))
            case "prompts":
                round_ = self.assignment.attempt - 1
                await self._synthesize(
                    prompt_units(self.run, round_), round_prefix(self.run, round_)
                )
            case "align" | "refine":
                await self._answer()
            case other:
                raise SelfAlignError(f"stage {other} has no worker")
        return self.counts

    async def _synthesize(self, units: Sequence[TopicUnit | PromptUnit], prefix: str) -> None:
        mine = [unit for unit in units if self.assignment.takes(unit.unit)]
        missing = await asyncio.to_thread(
            missing_parts, self.run, prefix, [unit.unit for unit in mine], 1
        )
        gate = asyncio.Semaphore(UNITS_IN_FLIGHT)
        async with PromptSynthesizerClient(self.channel) as client:

            async def one(unit: TopicUnit | PromptUnit) -> None:
                async with gate:
                    rows = [self._count(row) async for row in self._candidates(client, unit)]
                    self._refuse_dead_engine(unit.unit, rows)
                    await self._write(f"{prefix}/{part_name(unit.unit)}", rows)

            async with asyncio.TaskGroup() as tasks:
                for unit in mine:
                    if unit.unit in missing:
                        tasks.create_task(one(unit))

    def _candidates(
        self, client: PromptSynthesizerClient, unit: TopicUnit | PromptUnit
    ) -> AsyncIterator[Row]:
        if isinstance(unit, TopicUnit):
            return client.brainstorm_topics(
                question_type=unit.question_type,
                known_topics=unit.known_topics,
                quota=unit.quota,
                seed=unit.seed,
                max_completions=self.run.config.topics.max_completions,
                deadline_s=UNIT_DEADLINE_S,
            )
        return client.synthesize_prompts(
            source=unit.source,
            completions=unit.completions,
            hints=unit.hints,
            seed=unit.seed,
            deadline_s=UNIT_DEADLINE_S,
        )

    async def _answer(self) -> None:
        stage, attempt = self.assignment.stage, self.assignment.attempt
        units = await asyncio.to_thread(row_units, self.run, stage, attempt)
        mine = [unit for unit in units if self.assignment.takes(unit.unit)]
        prefix = self.run.prefix(stage)
        missing = await asyncio.to_thread(
            missing_parts, self.run, prefix, [unit.unit for unit in mine], attempt
        )
        pending = Pending([unit for unit in mine if unit.unit in missing])
        self.counts.total = pending.left
        reconnects = 0
        while pending.left:
            before = pending.left
            try:
                await self._stream(pending, prefix)
            except EngineUnavailable as error:
                # The service went away (rollout, crash): what it had not answered is asked again.
                reconnects = 0 if pending.left < before else reconnects + 1
                if reconnects > RECONNECTS:
                    raise
                logger.warning("service unavailable, reconnecting: %s", error)
                await asyncio.sleep(min(2.0**reconnects, 15.0))

    async def _stream(self, pending: "Pending", prefix: str) -> None:
        client_type = PrincipleEngineClient if self.assignment.stage == "align" else RefinerClient
        async with client_type(self.channel) as client:
            rows = (
                client.align_prompts(pending.items())
                if isinstance(client, PrincipleEngineClient)
                else client.refine_prompts(pending.items())
            )
            async with aclosing(rows):
                async for row in rows:
                    complete = pending.add(self._count(row))
                    if complete is not None:
                        name = part_name(complete.unit, self.assignment.attempt)
                        await self._write(f"{prefix}/{name}", complete.rows)

    async def _write(self, key: str, rows: Sequence[Row]) -> None:
        try:
            await asyncio.to_thread(create_part, self.run.store, key, rows)
        except ObjectExists:
            logger.info("another worker wrote %s first; its rows count", key)

    def _count(self, row: Row) -> Row:
        self.counts.add(row)
        self.on_row(row)
        self.report(self.counts)
        return row

    def _refuse_dead_engine(self, unit: int, rows: Sequence[Row]) -> None:
        failed = [row for row in rows if row.status == "failed"]
        if len(failed) > FAILED_SHARE_LIMIT * len(rows):
            raise TooManyFailures(
                f"{self.assignment.stage}: unit {unit}: {len(failed)} of {len(rows)} requests "
                f"failed, the last with {failed[-1].reason}: {failed[-1].evidence}"
            )


@dataclass(slots=True)
class FinishedUnit:
    """A unit all of whose rows are there, in the order of its items."""

    unit: int
    rows: list[Row]


class Pending:
    """Items not answered yet, and the rows of units that are not whole yet."""

    def __init__(self, units: Sequence[RowUnit]) -> None:
        self._units = {unit.unit: unit for unit in units}
        self._open = {item.prompt_id: unit.unit for unit in units for item in unit.items}
        self._rows: dict[int, dict[str, Row]] = {unit.unit: {} for unit in units}

    @property
    def left(self) -> int:
        return len(self._open)

    def items(self) -> Iterator[PromptItem]:
        """The items that are still open, unit by unit."""
        for unit in list(self._units.values()):
            for item in unit.items:
                if item.prompt_id in self._open:
                    yield item

    def add(self, row: Row) -> FinishedUnit | None:
        """Takes a row in; returns its unit if that is now whole.

        A row that was answered twice (once before, once after a reconnect) is taken once.
        """
        number = self._open.pop(row.prompt_id, None)
        if number is None:
            return None
        rows = self._rows[number]
        rows[row.prompt_id] = row
        unit = self._units[number]
        if len(rows) < len(unit.items):
            return None
        del self._rows[number], self._units[number]
        return FinishedUnit(number, [rows[item.prompt_id] for item in unit.items])


def round_prefix(run: Run, round_: int) -> str:
    """Where the candidates of one round of generation lie."""
    return f"{run.prefix('prompts')}/round-{round_:02d}"
