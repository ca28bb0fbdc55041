"""How long answers are: in the training data, and of each arm."""

from collections.abc import Mapping, Sequence

import pyarrow.compute as pc

from selfalign.evaluation.drawing.charts import line_chart
from selfalign.evaluation.drawing.distributions import length_curves, strips
from selfalign.evaluation.drawing.markup import Markup, element, join
from selfalign.evaluation.drawing.scales import number
from selfalign.evaluation.report.cells import figure
from selfalign.evaluation.report.run_view import RunView
from selfalign.evaluation.results import ARM_TITLES, ARMS

# More dots than these hide each other.
MAX_DOTS = 300


def lengths_section(view: RunView) -> Markup:
    """Lengths in the training data, then of the held-out answers."""
    aligned, refined = view.stages.aligned, view.stages.refined
    data = {
        f"{aligned} (stage 2)": accepted_lengths(view, aligned),
        f"{refined} (stage 4)": accepted_lengths(view, refined),
    }
    parts = [
        element("h3", "Training data"),
        _curves(data, f"Accepted answers of stages {aligned} and {refined}."),
        element("h3", "Held-out answers"),
        _held_out(held_out_lengths(view)),
    ]
    return join(*parts)


def accepted_lengths(view: RunView, stage: str) -> list[int]:
    """Characters of each accepted answer."""
    rows = view.table(stage)
    accepted = rows.filter(pc.equal(rows["status"], "accepted"))
    lengths: list[int] = accepted["answer_chars"].to_pylist()
    return lengths


def held_out_lengths(view: RunView) -> dict[str, list[int]]:
    """Characters of each answer that is not empty, by arm."""
    answers = (
        [answer for arm in view.results.arms for answer in arm.answers] if view.results else []
    )
    return {
        ARM_TITLES[arm]: [each.chars for each in answers if each.arm == arm and each.chars]
        for arm in ARMS
    }


def _held_out(lengths: Mapping[str, Sequence[int]]) -> Markup:
    """Every answer as a dot while they are few, curves from then on."""
    if max(map(len, lengths.values())) > MAX_DOTS:
        return _curves(lengths, "Answers that are not empty, by arm.")
    caption = "Characters of every answer that is not empty; the bar is the arm's median."
    return figure(strips("Lengths of held-out answers", lengths, "characters"), caption)


def _curves(lengths: Mapping[str, Sequence[int]], caption: str) -> Markup:
    medians = "; ".join(
        f"{name}: {number(sorted(values)[len(values) // 2])}"
        for name, values in lengths.items()
        if values
    )
    curves = length_curves(lengths, bins=40 if max(map(len, lengths.values())) > 200 else 16)
    chart = line_chart("Length distribution", curves, "characters", "share", area=True)
    return figure(chart, f"{caption} Median characters: {medians}." if medians else caption)
