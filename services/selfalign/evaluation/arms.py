"""The evaluation, model by model: engines may be served one after another."""

import time
from collections.abc import Iterable, Mapping

from selfalign.constitution.lint import digest
from selfalign.errors import DataError
from selfalign.evaluation.accuracy import accuracies
from selfalign.evaluation.comparisons import measures
from selfalign.evaluation.concurrency import Progress, no_progress
from selfalign.evaluation.evaluation_inputs import EvaluationInputs
from selfalign.evaluation.figures import EvaluationResults
from selfalign.evaluation.held_out import answer_held_out, summarise
from selfalign.evaluation.multiple_choice import score_hhh, score_truthfulqa
from selfalign.evaluation.on_task import rank_answers
from selfalign.evaluation.probe_answers import ask_probes
from selfalign.evaluation.results import (
    BENCHMARKS,
    ROLE_ARMS,
    Arm,
    ArmResults,
    OnTaskResults,
)
from selfalign.evaluation.rule_agreement import agreement, citations
from selfalign.evaluation.rule_probe import probe_rules
from selfalign.inference.contract.engine import Engine
from selfalign.inference.contract.offers import check_offered
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
    judge = engines.get("base")
    on_task = await judge_answers(judge, inputs, arms, progress) if judge else None
    return merge(inputs, arms, on_task)


async def evaluate_arm(
    role: ModelRole, engine: Engine, inputs: EvaluationInputs, progress: Progress = no_progress
) -> ArmResults:
    """All that is asked of one model. The base model has several arms and the rule probe.

    A request's own failure (too long, refused, timed out) is recorded with its item.

    Raises:
        ConfigError: the engine lacks what `sampling` asks for.
        EngineUnavailable, EngineUnauthorized: the engine cannot be used.
    """

    def tick(phase: str) -> "_Tick":
        return _Tick(progress, f"{role}: {phase}")

    started = time.monotonic()
    info = await engine.info()
    check_offered(info, inputs.settings.sampling)
    left_out = left_out_arms(role, inputs)
    answers = [
        answer
        for arm in ROLE_ARMS[role]
        if arm not in left_out
        for answer in await answer_held_out(arm, engine, inputs, tick(f"answers ({arm})"))
    ]
    outcomes = [
        outcome
        for arm in ROLE_ARMS[role]
        if arm not in left_out
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
        left_out=left_out,
        outcomes=tuple(outcomes),
    )


def left_out_arms(role: ModelRole, inputs: EvaluationInputs) -> dict[Arm, str]:
    """Arms of the model that cannot be asked -> why."""
    own = inputs.own
    return {"base_own": own} if role == "base" and isinstance(own, str) else {}


async def judge_answers(
    engine: Engine,
    inputs: EvaluationInputs,
    arms: Iterable[ArmResults],
    progress: Progress = no_progress,
) -> OnTaskResults:
    """Which answers of all arms are on task, in the judgement of the base model's engine.

    Raises:
        EngineUnavailable, EngineUnauthorized: the engine cannot be used.
    """
    answers = [answer for arm in arms for answer in arm.answers]
    return await rank_answers(engine, inputs, answers, _Tick(progress, "base: on task"))


class _Tick:
    """Progress of one phase."""

    def __init__(self, progress: Progress, phase: str) -> None:
        self._progress = progress
        self._phase = phase

    def __call__(self, done: int, total: int) -> None:
        self._progress(self._phase, done, total)


def merge(
    inputs: EvaluationInputs, arms: Iterable[ArmResults], on_task: OnTaskResults | None = None
) -> EvaluationResults:
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
    answers = [answer for arm in ordered for answer in arm.answers]
    ranks = on_task.ranks if on_task else ()
    outcomes = [outcome for arm in ordered for outcome in arm.outcomes]
    baseline, measured = measures(answers, ranks, outcomes, inputs.settings.confidence)
    return EvaluationResults(
        version=2,
        constitution=digest(inputs.constitution),
        arms=ordered,
        on_task=on_task,
        baseline=baseline,
        measures=measured,
        summaries=tuple(
            summarise(name, [one for one in arm.answers if one.arm == name], ranks, inputs)
            for arm in ordered
            for name in ROLE_ARMS[arm.role]
            if inputs.held_out and name not in arm.left_out
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
        agreement=agreement(inputs, [probe for arm in ordered for probe in arm.probes]),
    )
