"""Who does which units of a stage."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Assignment:
    """One worker's share: the units whose number is `index` modulo `count`."""

    stage: str
    index: int = 0
    count: int = 1
    attempt: int = 1
    """Passes over a stage are numbered from 1: rounds of generation for `prompts`, attempts at
    failed rows for stages that answer prompts."""

    def takes(self, unit: int) -> bool:
        return unit % self.count == self.index


@dataclass(frozen=True, slots=True)
class WorkerGroup:
    """The workers of one pass over a stage."""

    stage: str
    count: int
    attempt: int
    fingerprint: Mapping[str, Any]
    """What the stage's output depends on: workers that do other work must not be adopted."""

    def assignments(self) -> Iterator[Assignment]:
        """One for each worker."""
        for index in range(self.count):
            yield Assignment(self.stage, index, self.count, self.attempt)
