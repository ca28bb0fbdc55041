"""Which rules stage 2 cites, for which types of questions, and whether a probe agrees."""

from selfalign.evaluation.drawing.charts import bars, heat_map
from selfalign.evaluation.drawing.markup import Markup, element, join
from selfalign.evaluation.drawing.scales import number, percent
from selfalign.evaluation.figures import Agreement, Citations
from selfalign.evaluation.report.cells import figure, note, table
from selfalign.evaluation.report.run_view import RunView
from selfalign.evaluation.results import IntervalEstimate, ProbeMethod

MAX_TYPES = 40
HOW: dict[ProbeMethod, str] = {
    "ratio": (
        "the base model scored each rule's text: how much likelier does this prompt make it "
        "(likelihood ratio)?"
    ),
    "yes_no": (
        "the base model was asked about each rule: does it matter for this prompt? (The engine "
        "gives no log-probabilities of a prompt; on small models this question finds little more "
        "than chance.)"
    ),
}
NO_TYPE = "no type"


def principles_section(view: RunView) -> Markup:
    """Citations, heat map and agreement."""
    if view.results is None:
        return note("The evaluation is not finished yet.")
    found = view.results.citations
    parts = [_citations(found, view.stages.aligned), _heat(found)]
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
        f"{number(found.without_rules)} cite none. A citation counts where number and name are the "
        f"same rule's. Left out: numbers without their name, {number(misnamed)}; rules that do not "
        f"exist, {number(found.unknown)}."
    )
    caption = "Share of accepted stage-2 rows that cite each rule, with its Wilson interval."
    return join(
        note(text),
        figure(bars("Citations by rule", values, ["plain"] * len(values), texts), caption),
    )


def _interval(estimate: IntervalEstimate | None) -> str:
    return f"  [{percent(estimate.low)} – {percent(estimate.high)}]" if estimate else ""


def _heat(found: Citations) -> Markup:
    types = list(found.types.items())[:MAX_TYPES]
    chart = heat_map(
        "Rules cited by question type",
        [f"{name or NO_TYPE} ({number(each.rows)})" for name, each in types],
        [f"{each.rule} {each.name}" for each in found.principles],
        [
            [each.rules.get(principle.rule, 0) / each.rows for principle in found.principles]
            for _, each in types
        ],
    )
    caption = (
        "Share of the accepted rows of a question type (their number in brackets) that cite a "
        f"rule, in percent. Prompts without a type stand under {NO_TYPE}."
    )
    return join(element("h3", "Rules by question type"), figure(chart, caption))


def _agreement(found: Agreement, names: dict[int, str]) -> Markup:
    head = element("h3", "Claimed and probed rules")
    if found.overlap is None or found.ranking is None:
        return join(head, note(f"All {found.failed} probes failed.", warn=True))
    text = (
        f"For {number(found.rows)} accepted rows, {HOW[found.method]} The probe then picks as many "
        "rules as the row claims. "
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
