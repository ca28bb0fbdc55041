"""Counting the rows of one worker."""

from dataclasses import asdict, dataclass

from selfalign.events import Rows
from selfalign.storage.rows import Row, RowStatus


@dataclass(slots=True)
class RowCounts:
    """Rows so far, by status, and the tokens that they took."""

    total: int = 0
    """Rows expected; 0 where it is not known."""
    accepted: int = 0
    rejected: int = 0
    failed: int = 0
    tokens: int = 0

    def add(self, row: Row) -> None:
        self._count(row, 1)
        self.tokens += row.completion_tokens

    def forget(self, row: Row) -> None:
        """Takes back a row that is made again; its tokens have been spent."""
        self._count(row, -1)

    def _count(self, row: Row, change: int) -> None:
        match row.status:
            case RowStatus.ACCEPTED:
                self.accepted += change
            case RowStatus.REJECTED:
                self.rejected += change
            case RowStatus.FAILED:
                self.failed += change

    def as_event(self) -> Rows:
        """What the runner hears of it."""
        return Rows(**asdict(self))
