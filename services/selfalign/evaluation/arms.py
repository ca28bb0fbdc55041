"""The evaluation, model by model: engines may be served one after another."""

import time
from collections.abc import Iterable, Mapping

from selfalign.constitution.lint import digest
from selfalign.errors import DataError
from selfalign.evaluation.concurrency import Progress, no_progress
from selfalign.evaluation.evaluation_inputs import EvaluationInputs
from selfalign.evaluation.held_out import answer_held_out, summarise
from selfalign.evaluation.multiple_choice import score_hhh, score_truthfulqa
from selfalign.evaluation.probe_answers import ask_probes
from selfalign.evaluation.results import (
    BENCHMARKS,
    ROLE_ARMS,
    Accuracy,
    ArmResults,
    Benchmark,
    BenchmarkScores,
    EvaluationResults,
    ItemScore,
)
from selfalign.evaluation.rule_agreement import agreement, citations, probe_rules
from selfalign.inference.contract.engine import Engine
from selfalign.roles import MODEL_ROLES, ModelRole


async def evaluate(
    inputs: EvaluationInputs, engines: Mapping[ModelRole, Engine], progress: Progress = no_progress
) -> EvaluationResults:
    """Evaluates all models that are served, one after another.

    Raises:
        EngineUnavailable, EngineUnauthorized: an engine cannot be used.
    """
    arms = [
        await evaluate_arm(role, engines[role], inputs, progress)
        for role in MODEL_ROLES
        if role in engines
    ]
    return merge(inputs, arms)


async def evaluate_arm(
    role: ModelRole, engine: Engine, inputs: EvaluationInputs, progress: Progress = no_progress
) -> ArmResults:
    """All that is asked of one model. The base model has both layouts and the rule probe.

    A request's own failure (too long, refused, timed out) is recorded with its item.

    Raises:
        EngineUnavailable, EngineUnauthorized: the engine cannot be used.
    """

    def tick(phase: str) -> "_Tick":
        return _Tick(progress, f"{role}: {phase}")

    started = time.monotonic()
    info = await engine.info()
    answers = [
        answer
        for arm in ROLE_ARMS[role]
        for answer in await answer_held_out(arm, engine, inputs, tick(f"answers ({arm})"))
    ]
    outcomes = [
        outcome
        for arm in ROLE_ARMS[role]
        for outcome in await ask_probes(arm, engine, inputs, tick(f"probes ({arm})"))
    ]
    benchmarks = []
    if inputs.benchmarks.hhh:
        benchmarks.append(await score_hhh(engine, inputs, tick("HHH")))
    if inputs.benchmarks.truthfulqa:
        benchmarks.append(await score_truthfulqa(engine, inputs, tick("TruthfulQA")))
    probes = await probe_rules(engine, inputs, tick("rules")) if role == "base" else ()
    return ArmResults(
        role=role,
        model_id=info.model_id,
        seconds=round(time.monotonic() - started, 2),
        answers=tuple(answers),
        benchmarks=tuple(benchmarks),
        probes=probes,
        outcomes=tuple(outcomes),
    )


class _Tick:
    """Progress of one phase."""

    def __init__(self, progress: Progress, phase: str) -> None:
        self._progress = progress
        self._phase = phase

    def __call__(self, done: int, total: int) -> None:
        self._progress(self._phase, done, total)


def merge(inputs: EvaluationInputs, arms: Iterable[ArmResults]) -> EvaluationResults:
    """All figures over the models evaluated so far, in the order base, engraved, final.

    Raises:
        DataError: two results are of the same model.
    """
    by_role: dict[ModelRole, ArmResults] = {}
    for arm in arms:
        if arm.role in by_role:
            raise DataError(f"evaluate: two results for {arm.role!r}; expected one a model")
        by_role[arm.role] = arm
    ordered = tuple(by_role[role] for role in MODEL_ROLES if role in by_role)
    probes = [probe for arm in ordered for probe in arm.probes]
    return EvaluationResults(
        constitution=digest(inputs.constitution),
        arms=ordered,
        summaries=tuple(
            summarise(name, [answer for answer in arm.answers if answer.arm == name], inputs)
            for arm in ordered
            for name in ROLE_ARMS[arm.role]
            if inputs.held_out
        ),
        accuracies=tuple(
            accuracy
            for benchmark in BENCHMARKS
            for arm in ordered
            for scores in arm.benchmarks
            if scores.benchmark == benchmark
            for accuracy in accuracies(arm.role, scores, inputs)
        ),
        citations=citations(inputs),
        agreement=agreement(inputs, probes),
    )


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
