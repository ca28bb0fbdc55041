"""Loss curves of the trainings, and the facts about each."""

from selfalign.evaluation.drawing.charts import line_chart
from selfalign.evaluation.drawing.markup import Markup, join
from selfalign.evaluation.drawing.scales import number
from selfalign.evaluation.report.cells import MISSING, figure, note, table
from selfalign.evaluation.report.run_view import RunView

# What a training stage's manifest may say, and what it is called here.
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
    rows = [_facts(view, stage) for stage in view.stages.trainings if view.manifest(stage)]
    head = ("Stage", *FACTS.values())
    return join(
        note("Both trainings start from the base model; the loss counts answer tokens only."),
        figure(chart, "Mean loss of the logged steps."),
        table(head, rows, text_columns=2) if rows else Markup(""),
    )


def _facts(view: RunView, stage: str) -> list[str]:
    manifest = view.manifest(stage)
    details = manifest.details if manifest else {}
    return [stage, *(_fact(details.get(key)) for key in FACTS)]


def _fact(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return MISSING
    return number(value) if isinstance(value, int | float) else str(value)
