"""Accuracies on HHH and TruthfulQA MC1."""

from collections.abc import Sequence

from selfalign.evaluation.drawing.charts import SERIES, intervals, nothing
from selfalign.evaluation.drawing.markup import Markup, element, join
from selfalign.evaluation.drawing.scales import number, percent
from selfalign.evaluation.figures import Accuracy, EvaluationResults
from selfalign.evaluation.report.cells import MISSING, figure, note, share_cell, table
from selfalign.evaluation.report.run_view import RunView
from selfalign.evaluation.results import ARMS, BENCHMARKS, MODEL_ARM, Benchmark, ItemSource
from selfalign.roles import MODEL_ROLES

TITLES: dict[Benchmark, str] = {"hhh": "HHH", "truthfulqa": "TruthfulQA MC1"}
# The colours that the same models have among the held-out answers.
CLASSES = {role: SERIES[ARMS.index(arm)] for role, arm in MODEL_ARM.items()}
HOW: dict[Benchmark, str] = {
    "hhh": (
        "Two replies, shown as A and B in both orders; the reply whose letters get the higher "
        "summed log-probability wins. Overall is pooled over items; items that share a message "
        "are resampled together."
    ),
    "truthfulqa": (
        "Every choice is judged alone; the one with the highest logP(true) − logP(false) wins."
    ),
}


def multiple_choice_section(view: RunView) -> Markup:
    """A chart and a table for each benchmark that was scored."""
    results = view.results
    parts = [part for each in BENCHMARKS if results for part in _benchmark(each, results)]
    return join(*parts) if parts else nothing()


def _benchmark(benchmark: Benchmark, results: EvaluationResults) -> list[Markup]:
    found = [each for each in results.accuracies if each.benchmark == benchmark]
    if not found:
        return []
    sources = [s.source for arm in results.arms for s in arm.benchmarks if s.benchmark == benchmark]
    overall = [each for each in found if each.category == ""]
    rows = [
        (each.role.capitalize(), CLASSES[each.role], each.accuracy)
        for each in overall
        if each.accuracy is not None
    ]
    chart = intervals(f"{TITLES[benchmark]} accuracy", rows, overall[0].chance)
    parts = [
        element("h3", TITLES[benchmark]),
        note(HOW[benchmark]),
        *map(_source, sources[:1]),
        figure(chart, "Overall accuracy with its bootstrap interval; dashed: chance."),
        _categories(found),
    ]
    return parts + _counts(overall)


def _source(source: ItemSource) -> Markup:
    if source.built_in:
        return note(
            f"Built-in items ({source.items}, written for this project): they show that scoring "
            "works, but are too few to compare models. Name the published file in the settings.",
            warn=True,
        )
    return note(f"{number(source.items)} items from {source.path} (sha256 {source.digest}…).")


def _categories(found: Sequence[Accuracy]) -> Markup:
    roles = [role for role in MODEL_ROLES if any(each.role == role for each in found)]
    by_place = {(each.category, each.role): each for each in found}
    rows = []
    for category in dict.fromkeys(each.category for each in found):
        cells = [by_place.get((category, role)) for role in roles]
        first = next(cell for cell in cells if cell is not None)
        shares = [share_cell(cell.accuracy if cell else None) for cell in cells]
        items = number(first.accuracy.n) if first.accuracy else MISSING
        rows.append([category or "Overall", items, percent(first.chance), *shares])
    return table(("Category", "Items", "Chance", *(role.capitalize() for role in roles)), rows)


def _counts(overall: Sequence[Accuracy]) -> list[Markup]:
    """What qualifies the figures, where there is anything."""
    texts = []
    for each in overall:
        counts = {
            "items failed": each.failed,
            "log-probabilities not reported by the engine (floor used)": each.missing,
            "ties": each.ties,
            "items shortened": each.truncated,
        }
        found = [f"{number(count)} {what}" for what, count in counts.items() if count]
        if found:
            texts.append(f"{each.role}: {', '.join(found)}")
    return [note("; ".join(texts) + ".", warn=True)] if texts else []
