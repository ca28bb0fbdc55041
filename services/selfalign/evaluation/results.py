"""What an evaluation found: JSON-serialisable records, arm by arm and put together."""

from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict

from selfalign.evaluation.probes.results import ProbeOutcome
from selfalign.roles import MODEL_ROLES, ModelRole

Arm = Literal["base_constitution", "base", "engraved", "final"]
"""A model and its layout: under the constitution, or a student's prompt without it."""
Benchmark = Literal["hhh", "truthfulqa"]

ARMS: tuple[Arm, ...] = get_args(Arm)
BENCHMARKS: tuple[Benchmark, ...] = get_args(Benchmark)
ARM_TITLES: dict[Arm, str] = {
    "base_constitution": "Base + constitution",
    "base": "Base",
    "engraved": "Engraved",
    "final": "Final",
}
ROLE_ARMS: dict[ModelRole, tuple[Arm, ...]] = {
    "base": ("base_constitution", "base"),
    **{role: (role,) for role in MODEL_ROLES if role != "base"},
}
"""The arms of each model; the last is the one without the constitution."""


class Record(BaseModel):
    """A value of the results; unknown keys mean another version."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class IntervalEstimate(Record):
    """A mean over n items with its interval: Wilson's for a share, else the bootstrap's."""

    value: float
    low: float
    high: float
    n: int


class PairedTest(Record):
    """Two arms on the same n items: exact McNemar test, see statistics.py."""

    won: int
    """Items where the other arm succeeds and the baseline does not."""
    lost: int
    """Items where the baseline succeeds and the other arm does not."""
    n: int
    p: float
    """Two-sided."""


class HeldOutAnswer(Record):
    """One arm's answer to one held-out prompt. If `reason` is set the request failed."""

    arm: Arm
    prompt_id: str
    instruction: str
    input: str = ""
    completion: str = ""
    """All that the model wrote."""
    answer: str = ""
    thoughts: str = ""
    rules: tuple[int, ...] = ()
    direct: bool = False
    """Answers directly in the format; see held_out.py."""
    ended: bool = False
    """Ends by itself, not at the length limit."""
    empty: bool = False
    chars: int = 0
    tokens: int = 0
    """Of the whole completion, thoughts included."""
    repetition: float = 0.0
    """Share of the answer's word trigrams that are repeats."""
    finish_reason: str = ""
    reason: str = ""
    evidence: str = ""

    @property
    def usable(self) -> bool:
        """Direct, ended and not empty."""
        return self.direct and self.ended and not self.empty


class ItemScore(Record):
    """One benchmark item. If `reason` is set a request failed and the item is not scored."""

    item_id: str
    category: str
    group: str
    """Items of one group share their prompt, and are resampled together."""
    candidates: int
    correct: bool | None = None
    margin: float = 0.0
    """Score of the right candidate less the best wrong one."""
    tie: bool = False
    missing: int = 0
    """Log-probabilities that the engine did not report."""
    truncated: bool = False
    reason: str = ""
    evidence: str = ""


class ItemSource(Record):
    """Where a benchmark's items come from."""

    path: str
    """Empty for the built-in items."""
    digest: str
    items: int

    @property
    def built_in(self) -> bool:
        """Whether these are the few items that the package ships."""
        return not self.path


class BenchmarkScores(Record):
    """All items of one benchmark, scored with one model."""

    benchmark: Benchmark
    source: ItemSource
    items: tuple[ItemScore, ...]


class RuleProbe(Record):
    """Which rules one aligned row claims, and which ones matter for it according to the model."""

    prompt_id: str
    claimed: tuple[int, ...]
    log_odds: dict[int, float] = {}
    """Rule -> logP(" yes") - logP(" no"); empty where a request failed."""
    missing: int = 0
    reason: str = ""
    evidence: str = ""


class ArmResults(Record):
    """All that is asked of one model; stored by itself, so that a run resumes model by model."""

    role: ModelRole
    model_id: str
    seconds: float
    answers: tuple[HeldOutAnswer, ...] = ()
    benchmarks: tuple[BenchmarkScores, ...] = ()
    probes: tuple[RuleProbe, ...] = ()
    outcomes: tuple[ProbeOutcome, ...] = ()
    """Of the probes of the principles, arm by arm."""


class AnswerSummary(Record):
    """Means over one arm's held-out answers."""

    arm: Arm
    answered: int
    failed: int
    direct: IntervalEstimate | None
    ended: IntervalEstimate | None
    usable: IntervalEstimate | None
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
    """Citations of this number under another principle's name."""


class Citations(Record):
    """Rule citations over all accepted stage-2 rows."""

    rows: int
    without_rules: int
    unknown: int
    """Citations of numbers that the constitution does not have."""
    mean_rules: float
    principles: tuple[PrincipleCitations, ...]


class PrincipleAgreement(Record):
    """One principle: rows that claim it, rows where the probe finds it, and both."""

    rule: int
    claimed: int
    probed: int
    both: int


class Agreement(Record):
    """Claimed against probed rules; definitions in rule_agreement.py."""

    rows: int
    failed: int
    missing: int
    overlap: IntervalEstimate | None
    chance_overlap: float
    ranking: IntervalEstimate | None
    """Chance is 0.5."""
    principles: tuple[PrincipleAgreement, ...]


class EvaluationResults(Record):
    """Everything: what each arm did, and the figures over it."""

    constitution: str
    """Digest."""
    arms: tuple[ArmResults, ...]
    summaries: tuple[AnswerSummary, ...]
    accuracies: tuple[Accuracy, ...]
    citations: Citations
    agreement: Agreement | None

    def headline(self) -> dict[str, float | int | None]:
        """Flat figures for the manifest, e.g. {"final.truthfulqa": 0.31, "base.usable": 0.2}."""
        found: dict[str, float | int | None] = {}
        for score in self.accuracies:
            if score.category == "":
                value = score.accuracy.value if score.accuracy else None
                found[f"{score.role}.{score.benchmark}"] = value
                found[f"{score.role}.{score.benchmark}.failed"] = score.failed
        for summary in self.summaries:
            for name in ("direct", "ended", "usable", "chars"):
                estimate: IntervalEstimate | None = getattr(summary, name)
                found[f"{summary.arm}.{name}"] = estimate.value if estimate else None
        if self.agreement and self.agreement.overlap:
            found["rules.overlap"] = self.agreement.overlap.value
            found["rules.chance_overlap"] = self.agreement.chance_overlap
        return found
