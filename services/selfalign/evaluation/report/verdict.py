"""What got worse and what got better, in words: the same for the report, the card and the terminal.

What got worse comes first. A difference is a finding where p is below ALPHA; any other is named as
one that chance may have made.
"""

from dataclasses import dataclass
from typing import Literal

from selfalign.evaluation.comparisons import BASELINE_RULE
from selfalign.evaluation.drawing.scales import percent
from selfalign.evaluation.figures import EvaluationResults, Measure
from selfalign.evaluation.results import ARM_TITLES, Arm, PairedTest

ALPHA = 0.05
TRAINED: tuple[Arm, ...] = ("final", "engraved")
"""Whose verdict it is: the first that there is."""
Kind = Literal["worse", "better", "open"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One measure of the judged arm against the baseline."""

    kind: Kind
    """`open`: no difference that chance would not make."""
    title: str
    change: str
    """Share of the baseline -> share of the judged arm."""
    counts: str
    """n, items lost and won, p."""

    def __str__(self) -> str:
        words = {"worse": "Worse", "better": "Better", "open": "Within chance"}
        return f"{words[self.kind]}: {self.title} {self.change} ({self.counts})"


def judged_arm(results: EvaluationResults) -> Arm | None:
    """The arm that the verdict is about; None where no trained arm was compared."""
    compared = {arm for measure in results.measures for arm in measure.tests}
    return next((arm for arm in TRAINED if arm in compared), None)


def kind_of(test: PairedTest) -> Kind:
    """Worse or better where p is below ALPHA, else open."""
    if test.p >= ALPHA:
        return "open"
    return "worse" if test.lost > test.won else "better"


def findings(results: EvaluationResults) -> list[Finding]:
    """The judged arm's measures: worse ones first, then better ones, then the open ones.

    Within each kind the largest difference stands first; of the open ones the largest loss.
    """
    arm = judged_arm(results)
    if arm is None or results.baseline is None:
        return []
    order: list[Kind] = ["worse", "better", "open"]
    tests = [(measure, measure.tests[arm]) for measure in results.measures if arm in measure.tests]

    def size(one: tuple[Measure, PairedTest]) -> float:
        net = (one[1].won - one[1].lost) / one[1].n
        return -net if kind_of(one[1]) == "better" else net

    return [
        _finding(results.baseline, measure, arm)
        for kind in order
        for measure, test in sorted(tests, key=size)
        if kind_of(test) == kind
    ]


def verdict_lines(results: EvaluationResults) -> list[str]:
    """The verdict in some lines of plain text."""
    found = findings(results)
    if not found:
        return ["No trained model was compared with the base model: see the report."]
    lines = [heading(results)]
    worse = [one for one in found if one.kind == "worse"]
    lines += [str(one) for one in worse] or [nothing_worse()]
    better = [one for one in found if one.kind == "better"]
    lines += [str(one) for one in better] or ["Nothing is better beyond chance."]
    still = [f"{one.title} {one.change}" for one in found if one.kind == "open"]
    return [*lines, f"Within chance: {'; '.join(still)}."] if still else lines


def heading(results: EvaluationResults) -> str:
    """Who is compared with whom."""
    arm = judged_arm(results)
    if arm is None or results.baseline is None:
        return "Nothing to compare yet."
    return f"{ARM_TITLES[arm]} against {ARM_TITLES[results.baseline]}"


def baseline_note() -> str:
    """How the baseline was chosen, and what the tests are."""
    return (
        f"Baseline: {BASELINE_RULE}; the rule was fixed before any run. Intervals: Wilson, 95 % "
        "unless the run says otherwise. Tests: items won and lost against the baseline on the same "
        f"prompts, exact McNemar test, two-sided, not corrected for their number; worse or better "
        f"where p < {_digits(ALPHA)}."
    )


def nothing_worse() -> str:
    """Said where nothing got worse."""
    return f"Nothing is worse beyond chance (p < {_digits(ALPHA)})."


def p_text(p: float) -> str:
    """A p value for people: p = .053, p < .001."""
    return "p < .001" if p < 0.001 else f"p = {_digits(round(p, 3 if p < 0.1 else 2))}"


def _digits(value: float) -> str:
    """A number from 0 to 1 without its leading zero."""
    return f"{value:g}".removeprefix("0") if value < 1 else "1"


def _finding(baseline: Arm, measure: Measure, arm: Arm) -> Finding:
    before, after, test = measure.shares[baseline], measure.shares[arm], measure.tests[arm]
    return Finding(
        kind=kind_of(test),
        title=measure.title,
        change=f"{percent(before.value)} -> {percent(after.value)}",
        counts=f"n = {test.n}: {test.lost} lost, {test.won} won, {p_text(test.p)}",
    )
