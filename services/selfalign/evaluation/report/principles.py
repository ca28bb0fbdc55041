"""Which rules stage 2 cites, for which types of questions, and whether a probe agrees."""

from collections import Counter, defaultdict

import pyarrow as pa
import pyarrow.compute as pc

from selfalign.evaluation.drawing.charts import bars, heat_map
from selfalign.evaluation.drawing.markup import Markup, element, join
from selfalign.evaluation.drawing.scales import number, percent
from selfalign.evaluation.report.cells import figure, note, table
from selfalign.evaluation.report.run_view import RunView
from selfalign.evaluation.results import Agreement, Citations, IntervalEstimate

MAX_TYPES = 40
NO_TYPE = "self-instruct"


def principles_section(view: RunView) -> Markup:
    """Citations, heat map and agreement."""
    if view.results is None:
        return join(note("The evaluation is not finished yet."), _heat(view))
    parts = [_citations(view.results.citations, view.stages.aligned), _heat(view)]
    if view.results.agreement is not None:
        parts.append(_agreement(view.results.agreement, view.rule_names()))
    return join(*parts)


def _citations(found: Citations, stage: str) -> Markup:
    if not found.rows:
        return note(f"Stage {stage} accepted no rows.")
    values = {f"{each.rule} {each.name}": each.rows / found.rows for each in found.principles}
    texts = [
        f"{percent(share)}{_interval(each.share)}"
        for share, each in zip(values.values(), found.principles, strict=True)
    ]
    misnamed = sum(each.misnamed for each in found.principles)
    text = (
        f"{number(found.rows)} accepted rows cite {found.mean_rules:.1f} rules on average; "
        f"{number(found.without_rules)} cite none. Citations under another rule's name: "
        f"{number(misnamed)}; of rules that do not exist: {number(found.unknown)}."
    )
    caption = "Share of accepted stage-2 rows that cite each rule, with its bootstrap interval."
    return join(
        note(text),
        figure(bars("Citations by rule", values, ["plain"] * len(values), texts), caption),
    )


def _interval(estimate: IntervalEstimate | None) -> str:
    return f"  [{percent(estimate.low)} – {percent(estimate.high)}]" if estimate else ""


def _heat(view: RunView) -> Markup:
    names = view.rule_names()
    counts, totals = rules_by_type(view.table(view.stages.aligned))
    types = [name for name, _ in totals.most_common(MAX_TYPES)]
    shares = [[counts[name][rule] / totals[name] for rule in names] for name in types]
    chart = heat_map(
        "Rules cited by question type",
        [f"{name} ({totals[name]})" for name in types],
        [f"{rule} {name}" for rule, name in names.items()],
        shares,
    )
    caption = (
        "Share of the accepted rows of a question type (their number in brackets) that cite a "
        "rule, in percent. Self-instruct prompts have no question type."
    )
    return join(element("h3", "Rules by question type"), figure(chart, caption))


def rules_by_type(rows: pa.Table) -> tuple[dict[str, Counter[int]], Counter[str]]:
    """(question type -> rule -> accepted rows that cite it, question type -> accepted rows)."""
    accepted = rows.filter(pc.equal(rows["status"], "accepted"))
    counts: dict[str, Counter[int]] = defaultdict(Counter)
    totals: Counter[str] = Counter()
    columns = accepted.select(["question_type", "rules"])
    for batch in columns.to_batches(max_chunksize=8192):
        types, rules = batch.column(0).to_pylist(), batch.column(1).to_pylist()
        for name, cited in zip(types, rules, strict=True):
            totals[name or NO_TYPE] += 1
            counts[name or NO_TYPE].update(set(cited or ()))
    return counts, totals


def _agreement(found: Agreement, names: dict[int, str]) -> Markup:
    head = element("h3", "Claimed and probed rules")
    if found.overlap is None or found.ranking is None:
        return join(head, note(f"All {found.failed} probes failed.", warn=True))
    text = (
        f"For {number(found.rows)} accepted rows, the base model was asked about each rule: does "
        "it matter for this prompt? The probe then picks as many rules as the row claims. "
        f"{percent(found.overlap.value)}{_interval(found.overlap)} of the claimed rules are among "
        f"them; picking at random would give {percent(found.chance_overlap)}. A claimed rule ranks "
        f"above an unclaimed one in {percent(found.ranking.value)}{_interval(found.ranking)} of "
        f"pairs (chance: 50 %). Answers that the engine did not report: {number(found.missing)}; "
        f"rows that failed: {number(found.failed)}."
    )
    rows = [
        (
            f"{each.rule} {names.get(each.rule, '')}",
            *map(number, (each.claimed, each.probed, each.both)),
        )
        for each in found.principles
        if each.claimed or each.probed
    ]
    return join(head, note(text), table(("Rule", "Claimed", "Probed", "Both"), rows))
