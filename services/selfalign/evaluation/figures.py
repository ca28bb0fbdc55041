"""What an evaluation found, put together over its arms: JSON-serialisable records."""

from typing import Literal

from selfalign.evaluation.results import (
    Arm,
    ArmResults,
    Benchmark,
    IntervalEstimate,
    OnTaskResults,
    PairedTest,
    ProbeMethod,
    Record,
)
from selfalign.roles import ModelRole


class AnswerSummary(Record):
    """One arm's held-out answers: shares with Wilson intervals, means with bootstrap ones."""

    arm: Arm
    answered: int
    failed: int
    direct: IntervalEstimate | None
    ended: IntervalEstimate | None
    usable: IntervalEstimate | None
    on_task: IntervalEstimate | None
    declined: IntervalEstimate | None
    loops: IntervalEstimate | None
    copies: IntervalEstimate | None
    introduces: IntervalEstimate | None
    other_language: IntervalEstimate | None
    empty: IntervalEstimate | None
    chars: IntervalEstimate | None
    tokens: IntervalEstimate | None
    repetition: IntervalEstimate | None
    cites_rules: IntervalEstimate | None
    """Only for the arm under the constitution."""


class Accuracy(Record):
    """One model's accuracy on a benchmark or one of its categories ("" is overall)."""

    role: ModelRole
    benchmark: Benchmark
    category: str
    accuracy: IntervalEstimate | None
    chance: float
    failed: int
    missing: int
    ties: int
    truncated: int


class PrincipleCitations(Record):
    """How often accepted stage-2 rows cite one principle."""

    rule: int
    name: str
    rows: int
    share: IntervalEstimate | None
    misnamed: int
    """Citations of this number without its principle's name; they count for nothing else."""


class TypeCitations(Record):
    """Accepted stage-2 rows of one question type."""

    rows: int
    rules: dict[int, int]
    """Rule -> rows that cite it."""


class Citations(Record):
    """Rule citations over all accepted stage-2 rows; one counts where number and name agree."""

    rows: int
    without_rules: int
    unknown: int
    """Citations of numbers that the constitution does not have."""
    mean_rules: float
    principles: tuple[PrincipleCitations, ...]
    types: dict[str, TypeCitations]
    """By question type; "" for prompts without one."""


class PrincipleAgreement(Record):
    """One principle: rows that claim it, rows where the probe finds it, and both."""

    rule: int
    claimed: int
    probed: int
    both: int


class Agreement(Record):
    """Claimed against probed rules; definitions in rule_agreement.py."""

    method: ProbeMethod
    rows: int
    failed: int
    missing: int
    overlap: IntervalEstimate | None
    chance_overlap: float
    ranking: IntervalEstimate | None
    """Chance is 0.5."""
    principles: tuple[PrincipleAgreement, ...]


class Measure(Record):
    """One thing that is counted of every arm, and each arm's test against the baseline."""

    key: str
    """usable, on_task, ended, answered, probes (all of them), or probe:<kind>."""
    title: str
    shares: dict[Arm, IntervalEstimate]
    """More is better; Wilson intervals."""
    tests: dict[Arm, PairedTest]
    """Arm -> paired with the baseline; none for the baseline itself."""


class EvaluationResults(Record):
    """Everything: what each arm did, and the figures over it."""

    version: Literal[2]
    """Results of another version do not say what these say."""
    constitution: str
    """Digest."""
    arms: tuple[ArmResults, ...]
    on_task: OnTaskResults | None
    baseline: Arm | None
    """The base model's strongest arm, by the rule of comparisons.py; None without a base arm."""
    measures: tuple[Measure, ...]
    summaries: tuple[AnswerSummary, ...]
    accuracies: tuple[Accuracy, ...]
    citations: Citations
    agreement: Agreement | None

    def headline(self) -> dict[str, float | int | str | None]:
        """Flat figures for the manifest, e.g. {"final.truthfulqa": 0.31, "base.usable": 0.2}.

        Benchmarks of the few built-in items are no figures of a model.
        """
        found: dict[str, float | int | str | None] = {"baseline": self.baseline}
        built_in = {
            scores.benchmark
            for arm in self.arms
            for scores in arm.benchmarks
            if scores.source.built_in
        }
        for score in self.accuracies:
            if score.category == "" and score.benchmark not in built_in:
                value = score.accuracy.value if score.accuracy else None
                found[f"{score.role}.{score.benchmark}"] = value
                found[f"{score.role}.{score.benchmark}.failed"] = score.failed
        for measure in self.measures:
            for arm, share in measure.shares.items():
                found[f"{arm}.{measure.key}"] = round(share.value, 6)
                found[f"{arm}.{measure.key}.n"] = share.n
            for arm, test in measure.tests.items():
                found[f"{arm}.{measure.key}.won"] = test.won
                found[f"{arm}.{measure.key}.lost"] = test.lost
                found[f"{arm}.{measure.key}.p"] = test.p
        if self.agreement and self.agreement.overlap:
            found["rules.overlap"] = self.agreement.overlap.value
            found["rules.chance_overlap"] = self.agreement.chance_overlap
        return found
