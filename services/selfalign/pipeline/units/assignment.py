"""Who does which units of a stage."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from pydantic import model_validator

from selfalign.settings.section import Count, PositiveInt, Section


class Assignment(Section):
    """One worker's share: the units whose number is `index` modulo `count`."""

    stage: str
    """The stage to work on."""
    index: Count = 0
    """Number of this worker."""
    count: PositiveInt = 1
    """Number of workers that share the stage."""
    attempt: PositiveInt = 1
    """Number of the pass over the stage: a round of generation for `prompts`, an attempt at rows
    that failed where prompts are answered."""

    @model_validator(mode="after")
    def _index_below_count(self) -> Self:
        if self.index >= self.count:
            raise ValueError(f"index {self.index} is not below count {self.count}")
        return self

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
            yield Assignment(stage=self.stage, index=index, count=self.count, attempt=self.attempt)
