"""Which items of a worker's units are not answered yet."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from selfalign.pipeline.units.units import RowUnit
from selfalign.storage.rows import PromptItem, Row


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
