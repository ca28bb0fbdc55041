"""One part of the memory, with its arithmetic."""

from dataclasses import dataclass
from typing import Literal

GIB = 1 << 30
When = Literal["always", "backward", "step"]


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a GPU's memory, or of the host's where it is offloaded."""

    name: str
    bytes: int
    arithmetic: str
    when: When = "always"
    """Held all the time, or in the backward pass or the optimizer step alone."""
    place: str = "none"
    """none: the GPU; cpu or nvme: offloaded."""

    @property
    def gib(self) -> float:
        return self.bytes / GIB
