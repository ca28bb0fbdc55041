"""Progress of a run as events: rendered live on a terminal, or as JSON lines."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from selfalign.storage.rows import Row, RowStatus


@dataclass(frozen=True, slots=True)
class ProgressEvent:
    """Something that a person or a log wants to know."""

    kind: str
    """stage_started | rows | step | stage_done | stage_kept | note"""
    stage: str
    fields: dict[str, Any]


Report = Callable[[ProgressEvent], None]


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
        match row.status:
            case RowStatus.ACCEPTED:
                self.accepted += 1
            case RowStatus.REJECTED:
                self.rejected += 1
            case RowStatus.FAILED:
                self.failed += 1
        self.tokens += row.completion_tokens

    @property
    def done(self) -> int:
        return self.accepted + self.rejected + self.failed

    def as_fields(self) -> dict[str, int]:
        return {
            "total": self.total,
            "accepted": self.accepted,
            "rejected": self.rejected,
            "failed": self.failed,
            "tokens": self.tokens,
        }
