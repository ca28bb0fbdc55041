"""Table stages that write rows of their own: each unit is one call of the prompt-synthesizer."""

from abc import abstractmethod
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from selfalign.pipeline.run.run import Run
from selfalign.pipeline.stages.kinds.table_stage import TableStage
from selfalign.pipeline.units.units import Unit
from selfalign.rpc.clients import PromptSynthesizerClient
from selfalign.storage.rows import Row

UNIT_DEADLINE_S = 6 * 3600.0

UnitType = TypeVar("UnitType", bound=Unit)


@dataclass(frozen=True, kw_only=True)
class GenerationStage(TableStage, Generic[UnitType]):
    """A stage of prompts or what they are made from."""

    @abstractmethod
    def units(self, run: Run, attempt: int) -> list[UnitType]:
        """See TableStage."""

    @abstractmethod
    def rows(self, client: PromptSynthesizerClient, run: Run, unit: UnitType) -> AsyncIterator[Row]:
        """The rows of a unit, rejected ones too.

        Raises:
            EngineUnavailable: the service cannot be reached.
        """

    def part_attempt(self, attempt: int) -> int:
        """Passes lie in folders of their own, or there is one only."""
        return 1

    def expected_rows(self, run: Run) -> set[str] | None:
        return None
