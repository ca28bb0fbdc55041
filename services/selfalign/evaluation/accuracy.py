"""A model's accuracy on a benchmark and each of its categories."""

from collections.abc import Iterable

from selfalign.evaluation.evaluation_inputs import EvaluationInputs
from selfalign.evaluation.figures import Accuracy
from selfalign.evaluation.results import Benchmark, BenchmarkScores, ItemScore
from selfalign.roles import ModelRole


def accuracies(
    role: ModelRole, scores: BenchmarkScores, inputs: EvaluationInputs
) -> tuple[Accuracy, ...]:
    """Overall accuracy (pooled over items, as in the paper), then by category, A to Z."""
    categories = sorted({item.category for item in scores.items})
    return (
        _accuracy(role, scores.benchmark, "", scores.items, inputs),
        *(
            _accuracy(
                role,
                scores.benchmark,
                category,
                [item for item in scores.items if item.category == category],
                inputs,
            )
            for category in categories
        ),
    )


def _accuracy(
    role: ModelRole,
    benchmark: Benchmark,
    category: str,
    items: Iterable[ItemScore],
    inputs: EvaluationInputs,
) -> Accuracy:
    items = list(items)
    scored = [item for item in items if item.correct is not None]
    hits = [float(bool(item.correct)) for item in scored]
    return Accuracy(
        role=role,
        benchmark=benchmark,
        category=category,
        accuracy=inputs.bootstrap.mean(hits, [item.group for item in scored]),
        chance=sum(1 / item.candidates for item in scored) / len(scored) if scored else 0.0,
        failed=len(items) - len(scored),
        missing=sum(item.missing for item in scored),
        ties=sum(item.tie for item in scored),
        truncated=sum(item.truncated for item in scored),
    )
