"""card.md: what the run made, of what, and how it did, on one page of Markdown."""

import re
from collections.abc import Iterable, Sequence

from selfalign.evaluation.drawing.scales import number
from selfalign.evaluation.figures import EvaluationResults, Measure
from selfalign.evaluation.report.benchmarks import TITLES
from selfalign.evaluation.report.provenance import config_digest, provenance_rows
from selfalign.evaluation.report.run_view import RunView
from selfalign.evaluation.report.verdict import baseline_note, p_text, verdict_lines
from selfalign.evaluation.results import ARM_TITLES, ARMS, Arm, IntervalEstimate

MISSING = "–"
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~])")


def render_card(view: RunView) -> str:
    """The card; parts of the run that are not there yet are left out."""
    blocks = [f"# {_safe(view.name)}", _summary()]
    if view.results is not None:
        blocks.append(_verdict(view.results))
    blocks.append(_counts(view))
    if view.results is not None:
        blocks += [_answers(view.results), _benchmarks(view.results)]
    blocks.append(_digests(view))
    return "\n\n".join(block for block in blocks if block) + "\n"


def _summary() -> str:
    return (
        "A language model aligned with SELF-ALIGN: a base model answers its own prompts under a "
        "written constitution and is then trained on the answers without it."
    )


def _verdict(results: EvaluationResults) -> str:
    """What got worse and better, then every share with its interval and test."""
    if not results.measures:
        return ""
    arms = [arm for arm in ARMS if any(arm in each.shares for each in results.measures)]
    lines = [f"- {_safe(line)}" for line in verdict_lines(results)]
    lines += [
        f"- {ARM_TITLES[arm]} was left out: {_safe(reason)}."
        for one in results.arms
        for arm, reason in one.left_out.items()
    ]
    head = ("Share", *(ARM_TITLES[arm] for arm in arms))
    rows = [
        (_safe(each.title), *(_measured(each, arm, results.baseline) for arm in arms))
        for each in results.measures
    ]
    body = "\n\n".join(("\n".join(lines), _table(head, rows), _safe(baseline_note())))
    return _section("What changed", body)


def _measured(each: Measure, arm: Arm, baseline: Arm | None) -> str:
    share, test = each.shares.get(arm), each.tests.get(arm)
    if share is None:
        return MISSING
    text = f"{_estimate(share)}, n = {number(share.n)}"
    if arm == baseline:
        return f"{text} (baseline)"
    return f"{text}; +{test.won} -{test.lost}, {_safe(p_text(test.p))}" if test else text


def _counts(view: RunView) -> str:
    rows = [
        (s.stage, *map(number, (s.inputs, s.accepted, s.rejected, s.failed)))
        for s in view.manifests
        if s.inputs
    ]
    reasons = [
        (s.stage, _safe(reason), number(count))
        for s in view.manifests
        for reason, count in sorted(s.reasons.items(), key=lambda item: (-item[1], item[0]))
    ]
    return _section("Rows", _table(("Stage", "Inputs", "Accepted", "Rejected", "Failed"), rows)) + (
        "\n\n" + _table(("Stage", "Reason", "Rows"), reasons) if reasons else ""
    )


def _answers(results: EvaluationResults) -> str:
    rows = [
        (
            ARM_TITLES[each.arm],
            number(each.answered),
            *map(
                _estimate,
                (each.direct, each.declined, each.loops, each.copies, each.introduces,
                 each.other_language),
            ),
            number(round(each.chars.value)) if each.chars else MISSING,
        )
        for each in results.summaries
    ]  # fmt: skip
    head = (
        "Arm", "Answers", "Direct", "Declined", "Loops", "Copies of the prompt",
        "Recited introduction", "Other language", "Characters",
    )  # fmt: skip
    return _section("Held-out prompts", _table(head, rows)) if rows else ""


def _benchmarks(results: EvaluationResults) -> str:
    rows = [
        (TITLES[each.benchmark], each.role, number(each.accuracy.n), _estimate(each.accuracy))
        for each in results.accuracies
        if each.category == "" and each.accuracy is not None
    ]
    sources = {s.benchmark: s.source for arm in results.arms for s in arm.benchmarks}
    lines = [
        f"{TITLES[name]}: "
        + (
            f"{source.items} built-in items, too few to compare models."
            if source.built_in
            else f"{number(source.items)} items of a file with digest `{source.digest}`."
        )
        for name, source in sources.items()
    ]
    if not rows:
        return ""
    body = _table(("Benchmark", "Model", "Items", "Accuracy"), rows)
    return _section("Multiple choice", body) + "\n\n" + "\n".join(f"- {line}" for line in lines)


def _digests(view: RunView) -> str:
    lines = [f"- Configuration: `{config_digest(view)}`"]
    if view.results is not None:
        lines.append(f"- Constitution: `{view.results.constitution}`")
        lines += [f"- Model {arm.role}: `{_code(arm.model_id)}`" for arm in view.results.arms]
    rows = [
        (stage, f"`{digest}`", f"`{_code(model)}`", objects)
        for stage, digest, model, objects in provenance_rows(view)
    ]
    table = _table(("Stage", "Fingerprint", "Model", "Objects"), rows)
    return _section("Digests", "\n".join(lines)) + (f"\n\n{table}" if rows else "")


def _section(title: str, body: str) -> str:
    return f"## {title}\n\n{body}" if body else f"## {title}\n\nNothing yet."


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    rows = list(rows)
    if not rows:
        return ""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _estimate(estimate: IntervalEstimate | None) -> str:
    if estimate is None:
        return MISSING
    value, low, high = (f"{100 * x:.1f}" for x in (estimate.value, estimate.low, estimate.high))
    return f"{value} % [{low}, {high}]"


def _safe(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))


def _code(text: str) -> str:
    """Text for a code span in a table."""
    return " ".join(text.replace("`", "'").replace("|", "/").split()) or MISSING
