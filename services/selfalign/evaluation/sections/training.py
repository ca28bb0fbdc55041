"""Loss curves of both trainings, and how long answers are."""

from collections.abc import Mapping, Sequence

import pyarrow.compute as pc

from selfalign.evaluation.charts import line_chart
from selfalign.evaluation.distributions import length_curves, strips
from selfalign.evaluation.markup import Markup, element, join
from selfalign.evaluation.results import ARM_TITLES, ARMS
from selfalign.evaluation.run_view import RunView
from selfalign.evaluation.scales import number
from selfalign.evaluation.sections.common import MISSING, figure, note, table
from selfalign.storage.stages import TRAINING_STAGES

# More dots than these hide each other.
MAX_DOTS = 300
# What a training stage's manifest may tell, and how it is called here.
FACTS = {
    "base_model": "Base model",
    "rows": "Rows",
    "tokens": "Tokens",
    "steps": "Steps",
    "global_batch_size": "Global batch",
    "ranks": "Ranks",
    "loss_first": "First loss",
    "loss_last": "Last loss",
    "seconds": "Seconds",
}


def training_section(view: RunView) -> Markup:
    """Loss by optimizer step, and each training's facts."""
    curves = {curve.stage: curve.points for curve in view.losses}
    chart = line_chart("Training loss by step", curves, "optimizer step", "loss")
    rows = [_facts(view, stage) for stage in TRAINING_STAGES if view.stage(stage)]
    head = ("Stage", *FACTS.values())
    return join(
        note("Both trainings start from the base model; the loss counts answer tokens only."),
        figure(chart, "Mean loss of the logged steps."),
        table(head, rows, text_columns=2) if rows else Markup(""),
    )


def _facts(view: RunView, stage: str) -> list[str]:
    manifest = view.stage(stage)
    details = manifest.details if manifest else {}
    return [stage, *(_fact(details.get(key)) for key in FACTS)]


def _fact(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return MISSING
    return number(value) if isinstance(value, int | float) else str(value)


def lengths_section(view: RunView) -> Markup:
    """Lengths in the training data, then of the held-out answers."""
    data = {
        f"{stage} ({verb})": accepted_lengths(view, stage)
        for stage, verb in (("align", "stage 2"), ("refine", "stage 4"))
    }
    parts = [
        element("h3", "Training data"),
        _curves(data, "Accepted answers of stages align and refine."),
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
