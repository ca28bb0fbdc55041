"""The arms against each other: what is counted, the baseline, and exact paired tests.

Baseline. The strongest arm of the base model, by a rule that was fixed beforehand: the one with the
most usable held-out answers; of equal ones the first of base_own, base, base_constitution. It is
chosen on the answers that it is then compared on, which can only flatter the baseline.

Tests. Two arms are paired over the items that both were asked and answered; McNemar's exact test,
two-sided. The p values are not corrected for their number.
"""

from collections.abc import Iterable, Mapping, Sequence

from selfalign.evaluation.figures import Measure
from selfalign.evaluation.probes.results import ProbeOutcome
from selfalign.evaluation.results import ARMS, Arm, HeldOutAnswer, TopicRank
from selfalign.evaluation.statistics import mcnemar, share

BASE_ARMS: tuple[Arm, ...] = ("base_own", "base", "base_constitution")
"""In the order in which equally strong ones become the baseline."""
BASELINE_RULE = (
    "the base model's arm with the most usable held-out answers, of equal ones the first of: own "
    "template, student's layout, constitution"
)
PROBES = "probes"
PROBE = "probe:"
Outcomes = dict[Arm, dict[str, bool]]
"""Arm -> item -> success; items that failed are left out."""


def strongest_base(answers: Iterable[HeldOutAnswer]) -> Arm | None:
    """The baseline, by the rule above; None where no base arm answered."""
    usable = answer_outcomes(answers)["usable"]
    asked = [arm for arm in BASE_ARMS if arm in usable]
    return max(asked, key=lambda arm: sum(usable[arm].values()), default=None)


def measures(
    answers: Sequence[HeldOutAnswer],
    ranks: Sequence[TopicRank],
    probes: Sequence[ProbeOutcome],
    confidence: float,
) -> tuple[Arm | None, tuple[Measure, ...]]:
    """The baseline, and all that is counted: shares of each arm, tests against the baseline."""
    kinds = dict.fromkeys(one.kind for one in probes)
    outcomes = {
        "Usable answers": ("usable", answer_outcomes(answers)["usable"]),
        "On task": ("on_task", rank_outcomes(ranks)),
        "Ended by itself": ("ended", answer_outcomes(answers)["ended"]),
        "Requests answered": ("answered", answer_outcomes(answers)["answered"]),
        "All probes": (PROBES, probe_outcomes(probes)),
        **{
            f"Probe: {kind}": (
                f"{PROBE}{kind}",
                probe_outcomes(one for one in probes if one.kind == kind),
            )
            for kind in kinds
        },
    }
    baseline = strongest_base(answers) or _first_base(probe_outcomes(probes))
    return baseline, tuple(
        measure(key, title, found, baseline, confidence)
        for title, (key, found) in outcomes.items()
        if found
    )


def measure(
    key: str, title: str, outcomes: Outcomes, baseline: Arm | None, confidence: float
) -> Measure:
    """Each arm's share, and its test against the baseline."""
    arms = [arm for arm in ARMS if arm in outcomes]
    shares = {arm: share(outcomes[arm].values(), confidence) for arm in arms}
    before = {} if baseline is None else outcomes.get(baseline, {})
    return Measure(
        key=key,
        title=title,
        shares={arm: estimate for arm, estimate in shares.items() if estimate},
        tests={
            arm: mcnemar(pairs)
            for arm in arms
            if arm != baseline and (pairs := paired(before, outcomes[arm]))
        },
    )


def paired(before: Mapping[str, bool], after: Mapping[str, bool]) -> list[tuple[bool, bool]]:
    """Both outcomes of each item that has both."""
    return [(before[item], after[item]) for item in before if item in after]


def answer_outcomes(answers: Iterable[HeldOutAnswer]) -> dict[str, Outcomes]:
    """What is counted of held-out answers: usable, ended, answered (does not decline)."""
    found: dict[str, Outcomes] = {"usable": {}, "ended": {}, "answered": {}}
    for each in answers:
        if each.reason:
            continue
        values = {
            "usable": each.usable,
            "ended": each.ended,
            "answered": not each.empty and not each.declined,
        }
        for name, value in values.items():
            found[name].setdefault(each.arm, {})[each.prompt_id] = value
    return found


def rank_outcomes(ranks: Iterable[TopicRank]) -> Outcomes:
    """Whether each answer is on task."""
    found: Outcomes = {}
    for rank in ranks:
        found.setdefault(rank.arm, {})[rank.prompt_id] = rank.on_task
    return found


def probe_outcomes(probes: Iterable[ProbeOutcome]) -> Outcomes:
    """Whether each probe is passed."""
    passed = [one for one in probes if one.passed is not None]
    found = {
        arm: {one.probe_id: bool(one.passed) for one in passed if one.arm == arm} for arm in ARMS
    }
    return {arm: outcomes for arm, outcomes in found.items() if outcomes}


def _first_base(outcomes: Outcomes) -> Arm | None:
    """The baseline of a run without held-out answers."""
    return next((arm for arm in BASE_ARMS if arm in outcomes), None)
