"""Counts of every stage, and why rows were rejected or failed."""

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from selfalign.evaluation.drawing.charts import FunnelStage, bars, clipped, funnel, nothing
from selfalign.evaluation.drawing.markup import Markup, element, join
from selfalign.evaluation.drawing.scales import number, percent
from selfalign.evaluation.report.cells import MISSING, figure, note, table
from selfalign.evaluation.report.run_view import RunView
from selfalign.storage.manifest import Manifest

MAX_REASONS = 20


def funnel_section(view: RunView) -> Markup:
    """Bars and table of the stages that have rows."""
    stages = [manifest for manifest in view.manifests if manifest.inputs]
    keys = join(
        *(
            part
            for kind in ("accepted", "rejected", "failed")
            for part in (element("span", "", class_=f"key {kind}"), kind)
        )
    )
    chart = funnel(
        [FunnelStage(s.stage, s.inputs, s.accepted, s.rejected, s.failed) for s in stages]
    )
    head = ("Stage", "Inputs", "Accepted", "Rejected", "Failed", "Accepted share")
    return join(
        element("p", keys, class_="note"),
        figure(
            chart,
            "Every input of a stage ends as exactly one row: inputs = accepted + rejected + "
            f"failed. {view.stages.aligned} and {view.stages.refined} take the accepted prompts, "
            "less the held-out ones.",
        ),
        table(head, [_counts(stage) for stage in stages]) if stages else nothing(),
    )


def _counts(stage: Manifest) -> list[str]:
    numbers = (stage.inputs, stage.accepted, stage.rejected, stage.failed)
    share = percent(stage.accepted / stage.inputs) if stage.inputs else MISSING
    return [stage.stage, *map(number, numbers), share]


def rejections_section(view: RunView) -> Markup:
    """For each stage, rows by reason, and one example of each."""
    parts: list[Markup] = []
    for manifest in view.manifests:
        if manifest.reasons:
            rows = view.table(manifest.stage)
            parts += [element("h3", manifest.stage), *_reasons(manifest, rows)]
    return join(*parts) if parts else note("No row was rejected and none failed.")


def _reasons(stage: Manifest, rows: pa.Table) -> Iterable[Markup]:
    ordered = sorted(stage.reasons.items(), key=lambda item: (-item[1], item[0]))
    shown = dict(ordered[:MAX_REASONS])
    rest = sum(count for _, count in ordered[MAX_REASONS:])
    if rest:
        shown["all others"] = rest
    total = stage.inputs or sum(stage.reasons.values())
    texts = [f"{number(count)} · {percent(count / total)}" for count in shown.values()]
    # Rows fail of an error type, and filters have lower-case names.
    kinds = ["failed" if reason[:1].isupper() else "rejected" for reason in shown]
    yield element("figure", bars(f"Rows of {stage.stage} by reason", shown, kinds, texts))
    examples = first_evidence(rows)
    found = [(name, clipped(examples[name], 160)) for name in shown if examples.get(name)]
    if found:
        body = table(("Reason", "What was found, in one row"), found, text_columns=2)
        yield element("details", element("summary", "An example of each"), body)


def first_evidence(rows: pa.Table) -> dict[str, str]:
    """Reason -> the evidence of the first row that has it."""
    if rows.num_rows == 0:
        return {}
    turned_down = rows.filter(pc.not_equal(rows["reason"], ""))
    grouped = turned_down.group_by("reason", use_threads=False).aggregate([("evidence", "first")])
    reasons, evidence = grouped["reason"].to_pylist(), grouped["evidence_first"].to_pylist()
    return dict(zip(reasons, (text or "" for text in evidence), strict=True))
