"""Length distributions: curves over common bins, and strips of dots for small samples."""

from collections.abc import Mapping, Sequence

from selfalign.evaluation.drawing.charts import CHAR, SERIES, WIDTH, nothing
from selfalign.evaluation.drawing.markup import Markup, element, line, svg, text_at
from selfalign.evaluation.drawing.scales import Scale, number, quantile, ticks

BINS = 40


def length_curves(
    lengths: Mapping[str, Sequence[int]], bins: int = BINS
) -> dict[str, list[tuple[float, float]]]:
    """For each name (bin's middle, share of its values in the bin), all over the same bins.

    The range ends at the 99th percentile of all values, so that a few giants do not flatten the
    rest; what is longer counts in the last bin.
    """
    values = sorted(value for each in lengths.values() for value in each)
    if not values:
        return {}
    end = max(ticks(0, max(quantile(values, 0.99), 10), 8)[-1], 1)
    width = end / bins
    curves = {}
    for name, each in lengths.items():
        if not each:
            continue
        counts = [0] * bins
        for value in each:
            counts[min(bins - 1, int(value / width))] += 1
        curves[name] = [
            ((index + 0.5) * width, count / len(each)) for index, count in enumerate(counts)
        ]
    return curves


def strips(label: str, values: Mapping[str, Sequence[int]], x_title: str) -> Markup:
    """A row of dots for each name, with a bar at its median; colours as in the names' order."""
    if not any(values.values()):
        return nothing()
    step, top = 34.0, 6.0
    left = 24 + CHAR * max(map(len, values))
    bottom = top + step * len(values)
    x_ticks = ticks(0, max(value for each in values.values() for value in each), 8)
    x = Scale(0, x_ticks[-1], left, WIDTH - 130)
    parts: list[str] = []
    for tick in x_ticks:
        parts.append(line(x(tick), top, x(tick), bottom, "grid"))
        parts.append(text_at(x(tick), bottom + 18, number(tick), "middle", "label muted"))
    for row, (name, each) in enumerate(values.items()):
        class_ = SERIES[row % len(SERIES)]
        y = top + step * (row + 0.5)
        parts.append(text_at(left - 16, y + 4, name, "end"))
        parts += [_spot(x(value), y, f"{name}: {number(value)}", class_) for value in each]
        if each:
            median = sorted(each)[len(each) // 2]
            parts.append(line(x(median), y - 12, x(median), y + 12, f"median {class_}"))
            parts.append(text_at(WIDTH - 112, y + 4, f"median {number(median)}"))
    parts.append(text_at((left + WIDTH - 130) / 2, bottom + 36, x_title, "middle", "label muted"))
    return svg(WIDTH, bottom + 44, label, *parts)


def _spot(x: float, y: float, title: str, class_: str) -> Markup:
    return element("circle", element("title", title), cx=x, cy=y, r=4.5, class_=f"spot {class_}")
