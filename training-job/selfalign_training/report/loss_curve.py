"""The loss curve on one page: means over runs of steps, and a line of bars."""

import itertools
from collections.abc import Iterable, Sequence
from typing import TypedDict, TypeVar

from selfalign_training.report.metrics_log import StepRecord

BARS = "▁▂▃▄▅▆▇█"
WIDTH = 48


Item = TypeVar("Item")


class CurvePoint(TypedDict):
    """Means over neighbouring logged steps."""

    steps: str
    """The steps, e.g. 11-20."""
    loss: float | None
    grad_norm: float | None
    lr: float | None


def curve(records: Sequence[StepRecord], points: int) -> list[CurvePoint]:
    """Means over at most `points` runs of equally many logged steps."""
    found: list[CurvePoint] = []
    for group in runs(records, points):
        first, last = group[0]["step"], group[-1]["step"]
        found.append(
            {
                "steps": str(first) if first == last else f"{first}-{last}",
                "loss": mean(record["loss"] for record in group),
                "grad_norm": mean(record.get("grad_norm") for record in group),
                "lr": mean(record.get("learning_rate") for record in group),
            }
        )
    return found


def sparkline(losses: Sequence[float]) -> str:
    """The curve in a line of bars, from the lowest to the highest mean."""
    means = [sum(group) / len(group) for group in runs(losses, WIDTH)]
    low, high = min(means), max(means)
    scale = (len(BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(BARS[round((value - low) * scale)] for value in means)


def runs(items: Sequence[Item], count: int) -> list[Sequence[Item]]:
    """Splits into at most `count` runs of as equal length as can be."""
    count = min(count, len(items))
    borders = [len(items) * index // count for index in range(count + 1)] if count else []
    return [items[start:end] for start, end in itertools.pairwise(borders)]


def mean(values: Iterable[float | None]) -> float | None:
    """Of the values that there are."""
    present = [value for value in values if value is not None]
    return round(sum(present) / len(present), 6) if present else None
