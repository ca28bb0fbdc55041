"""The report's charts: pure functions from numbers to SVG, coloured by the page's stylesheet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from selfalign.evaluation.drawing.markup import Markup, element, join, line, rect, svg, text_at
from selfalign.evaluation.drawing.scales import Scale, number, percent, ticks
from selfalign.evaluation.results import IntervalEstimate

WIDTH = 920.0
SERIES = ("s1", "s2", "s3", "s4", "s5")
NO_DATA = "No data."
CHAR = 6.6
"""Width of a label's character at 12 px, on the safe side."""


@dataclass(frozen=True, slots=True)
class FunnelStage:
    """A stage's counts."""

    name: str
    inputs: int
    accepted: int
    rejected: int
    failed: int


def nothing() -> Markup:
    """Stands where a chart has no data."""
    return element("p", NO_DATA, class_="none")


def clipped(text: str, chars: int) -> str:
    """The text, or its head with an ellipsis."""
    return text if len(text) <= chars else text[: chars - 1].rstrip() + "…"


def funnel(stages: Sequence[FunnelStage]) -> Markup:
    """A bar a stage, as wide as its inputs, split into accepted, rejected and failed."""
    stages = [stage for stage in stages if stage.inputs]
    if not stages:
        return nothing()
    step, left, right = 46.0, 90.0, WIDTH - 150.0
    x = Scale(0, max(stage.inputs for stage in stages), left, right)
    parts: list[str] = []
    for row, stage in enumerate(stages):
        y = row * step + 6
        parts.append(text_at(left - 12, y + 19, stage.name, "end", "label strong"))
        start = 0
        for kind in ("accepted", "rejected", "failed"):
            count: int = getattr(stage, kind)
            if count:
                title = f"{stage.name}: {number(count)} {kind} of {number(stage.inputs)}"
                width = x(start + count) - x(start)
                parts.append(rect(x(start), y, max(1.5, width - 1), 28, f"bar {kind}", title))
                start += count
        share = f"{number(stage.accepted)} of {number(stage.inputs)}"
        parts.append(text_at(x(stage.inputs) + 10, y + 13, share))
        kept = f"{percent(stage.accepted / stage.inputs)} accepted"
        parts.append(text_at(x(stage.inputs) + 10, y + 28, kept, class_="label muted"))
    return svg(WIDTH, len(stages) * step + 4, "Rows of each stage by status", *parts)


def bars(
    label: str, values: Mapping[str, float], kinds: Sequence[str], shown: Sequence[str] = ()
) -> Markup:
    """Horizontal bars in the order given.

    Args:
        label: What they show, for screen readers.
        values: A length for each name.
        kinds: Each bar's class in the stylesheet.
        shown: Text at each bar's end; the number itself by default.
    """
    if not values:
        return nothing()
    names = [clipped(name, 40) for name in values]
    step = 24.0
    left = 16 + CHAR * max(map(len, names))
    x = Scale(0, max(max(values.values()), 1e-12), left, WIDTH - 150)
    parts: list[str] = []
    for row, (full, value) in enumerate(values.items()):
        y = row * step + 4
        text = shown[row] if shown else number(value)
        parts += [
            text_at(left - 10, y + 13, names[row], "end"),
            rect(left, y, max(1.5, x(value) - left), 17, f"bar {kinds[row]}", f"{full}: {text}"),
            text_at(max(left + 1.5, x(value)) + 8, y + 13, text),
        ]
    return svg(WIDTH, len(names) * step + 6, label, *parts)


def heat_map(
    label: str, rows: Sequence[str], columns: Sequence[str], shares: Sequence[Sequence[float]]
) -> Markup:
    """Shares 0..1 as cells, the darker the more; each cell shows its number under the pointer."""
    if not rows or not columns:
        return nothing()
    names = [clipped(name, 30) for name in rows]
    left = 16 + CHAR * max(map(len, names))
    top = 118.0
    cell = min(46.0, (WIDTH - left - 76) / len(columns))
    parts: list[str] = []
    for column, name in enumerate(columns):
        x, y = left + (column + 0.5) * cell + 4, top - 8
        text = clipped(name, 21)
        parts.append(
            element("text", text, class_="label", transform=f"translate({x:.1f} {y:g}) rotate(-45)")
        )
    highest = max((share for row in shares for share in row), default=0.0)
    for row, name in enumerate(names):
        y = top + row * 24
        parts.append(text_at(left - 10, y + 16, name, "end"))
        for column, share in enumerate(shares[row]):
            depth = share / highest if highest else 0.0
            parts.append(_cell(left + column * cell, y, cell, share, depth))
            title = f"{rows[row]} × {columns[column]}: {percent(share)}"
            parts.append(rect(left + column * cell, y, cell - 2, 22, "cell-hit", title))
    return svg(WIDTH, top + len(rows) * 24 + 4, label, *parts)


def _cell(x: float, y: float, size: float, share: float, depth: float) -> Markup:
    box = element(
        "rect", x=x, y=y, width=size - 2, height=22, class_="cell", fill_opacity=0.06 + 0.94 * depth
    )
    if share <= 0:
        return box
    tone = "cell-text deep" if depth > 0.7 else "cell-text"
    return join(box, text_at(x + size / 2 - 1, y + 15, f"{100 * share:.0f}", "middle", tone))


def line_chart(
    label: str,
    series: Mapping[str, Sequence[tuple[float, float]]],
    x_title: str,
    y_title: str,
    area: bool = False,
) -> Markup:
    """Lines over common axes, the legend above. With `area`, y starts at 0."""
    series = {name: points for name, points in series.items() if points}
    if not series:
        return nothing()
    height, left, right, top, bottom = 300.0, 58.0, WIDTH - 16.0, 40.0, 252.0
    points = [point for values in series.values() for point in values]
    xs, ys = [x for x, _ in points], [y for _, y in points]
    x_ticks = ticks(min(xs), max(xs), 8)
    y_ticks = ticks(0.0 if area else min(ys), max(ys))
    x = Scale(min(xs), max(max(xs), min(xs) + 1e-9), left, right)
    y = Scale(y_ticks[0], y_ticks[-1], bottom, top)
    parts = [legend(list(series), left)]
    for tick in y_ticks:
        parts.append(line(left, y(tick), right, y(tick), "grid"))
        parts.append(text_at(left - 8, y(tick) + 4, number(tick), "end", "label muted"))
    for tick in x_ticks:
        if min(xs) <= tick <= max(xs):
            parts.append(text_at(x(tick), bottom + 20, number(tick), "middle", "label muted"))
    parts.append(text_at((left + right) / 2, height - 8, x_title, "middle", "label muted"))
    parts.append(text_at(left - 8, top - 12, y_title, "end", "label muted"))
    for (name, values), class_ in zip(series.items(), SERIES * len(series), strict=False):
        parts.append(
            _curve(name, [(x(a), y(b)) for a, b in values], class_, bottom if area else None)
        )
    return svg(WIDTH, height, label, *parts)


def _curve(
    name: str, points: Sequence[tuple[float, float]], class_: str, base: float | None
) -> Markup:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    title = element("title", name)
    parts: list[str] = []
    if base is not None:
        closed = f"{points[0][0]:.1f},{base:.1f} {path} {points[-1][0]:.1f},{base:.1f}"
        parts.append(element("polygon", title, points=closed, class_=f"area {class_}"))
    parts.append(element("polyline", title, points=path, class_=f"line {class_}"))
    if len(points) == 1:
        parts.append(
            element("circle", cx=points[0][0], cy=points[0][1], r=4, class_=f"dot {class_}")
        )
    return join(*parts)


def legend(names: Sequence[str], left: float) -> Markup:
    """Coloured keys in one row."""
    parts: list[str] = []
    x = left
    for name, class_ in zip(names, SERIES * len(names), strict=False):
        parts.append(element("rect", x=x, y=4, width=12, height=12, rx=3, class_=f"dot {class_}"))
        parts.append(text_at(x + 18, 14, name))
        x += 18 + CHAR * len(name) + 24
    return join(*parts)


def intervals(
    label: str, rows: Sequence[tuple[str, str, IntervalEstimate]], chance: float | None = None
) -> Markup:
    """Points with their intervals on a 0..1 axis: rows of (name, class, estimate)."""
    if not rows:
        return nothing()
    step, top = 26.0, 8.0
    left = 16 + CHAR * max(len(name) for name, _, _ in rows)
    x = Scale(0.0, 1.0, left, WIDTH - 150)
    bottom = top + step * len(rows)
    parts: list[str] = []
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts.append(line(x(tick), top, x(tick), bottom, "grid"))
        parts.append(text_at(x(tick), bottom + 18, percent(tick), "middle", "label muted"))
    if chance is not None:
        parts.append(line(x(chance), top, x(chance), bottom, "chance"))
        parts.append(text_at(x(chance), bottom + 34, f"chance {percent(chance)}", "middle"))
    for row, (name, class_, estimate) in enumerate(rows):
        y = top + row * step + step / 2
        text = f"{percent(estimate.value)}  [{percent(estimate.low)} – {percent(estimate.high)}]"
        parts += [
            text_at(left - 10, y + 4, name, "end"),
            line(x(estimate.low), y, x(estimate.high), y, f"whisker {class_}"),
            element(
                "circle",
                element("title", f"{name}: {text}, n = {estimate.n}"),
                cx=x(estimate.value),
                cy=y,
                r=5,
                class_=f"dot {class_}",
            ),
            text_at(WIDTH - 140, y + 4, text.replace(" %", ""), class_="label muted"),
        ]
    return svg(WIDTH, bottom + 42, label, *parts)
