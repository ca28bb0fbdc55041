"""Answers and probes whose counts are given: for tests and pictures of comparisons."""

from collections.abc import Sequence

from selfalign.evaluation.arms import merge
from selfalign.evaluation.figures import EvaluationResults
from selfalign.evaluation.probes.results import ProbeOutcome
from selfalign.evaluation.results import (
    MODEL_ARM,
    ROLE_ARMS,
    Arm,
    ArmResults,
    HeldOutAnswer,
    OnTaskResults,
    TopicRank,
)
from selfalign.roles import MODEL_ROLES
from support import made_up_run

HARM, BENIGN = "harm", "look-alikes"
PROBES = 12


def answers(arm: Arm, usable: int, total: int) -> list[HeldOutAnswer]:
    """`usable` answers that are, then some that are empty."""
    return [
        HeldOutAnswer(
            arm=arm,
            prompt_id=str(number),
            instruction=f"Question {number}?",
            answer="Yes." if number < usable else "",
            direct=number < usable,
            ended=True,
            empty=number >= usable,
        )
        for number in range(total)
    ]


def outcomes(arm: Arm, kind: str, passed: int, total: int) -> list[ProbeOutcome]:
    """`passed` probes that are, then some that are not."""
    return [
        ProbeOutcome(arm=arm, probe_id=f"{kind}-{n}", kind=kind, prompt="?", passed=n < passed)
        for n in range(total)
    ]


def ranks(arm: Arm, on_task: int, total: int) -> list[TopicRank]:
    """`on_task` answers that are, then some that are not."""
    return [
        TopicRank(
            arm=arm, prompt_id=str(n), own=-1.0, others=(-2.0, -1.5 if n < on_task else -0.5, -3.0)
        )
        for n in range(total)
    ]


async def compared(
    *,
    usable: tuple[int, int],
    on_task: tuple[int, int],
    harm: tuple[int, int],
    benign: tuple[int, int],
    total: int = 100,
    kinds: Sequence[str] = (),
) -> EvaluationResults:
    """Results of all models: (base in its own template, final), the others in between.

    Args:
        kinds: Further kinds of probes, of which the final model passes half.
    """
    whole = await made_up_run.results()
    share = {"base_own": 0.0, "engraved": 0.6, "final": 1.0}

    def between(ends: tuple[int, int], arm: Arm) -> int:
        if arm in ("base", "base_constitution"):
            return max(ends[0] - (6 if arm == "base" else 9), 0)
        return round(ends[0] + share[arm] * (ends[1] - ends[0]))

    arms, ranked = [], []
    for role, one in zip(MODEL_ROLES, whole.arms, strict=True):
        found: list[HeldOutAnswer] = []
        probes: list[ProbeOutcome] = []
        for arm in ROLE_ARMS[role]:
            found += answers(arm, between(usable, arm), total)
            ranked += ranks(arm, between(on_task, arm), total)
            probes += outcomes(arm, HARM, between(harm, arm), PROBES)
            probes += outcomes(arm, BENIGN, between(benign, arm), PROBES)
            for kind in kinds:
                trained = arm in (MODEL_ARM["engraved"], MODEL_ARM["final"])
                probes += outcomes(arm, kind, PROBES // 2 if trained else 4, PROBES)
        arms.append(one.model_copy(update={"answers": tuple(found), "outcomes": tuple(probes)}))
    judged = OnTaskResults(judge="m-135", seconds=1.0, neighbours=3, ranks=tuple(ranked))
    return merge(made_up_run.inputs(), [ArmResults.model_validate(arm) for arm in arms], judged)
