"""What an evaluation found, arm by arm: JSON-serialisable records. See figures.py for the whole."""

from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict

from selfalign.evaluation.probes.results import ProbeOutcome
from selfalign.roles import MODEL_ROLES, ModelRole

Arm = Literal["base_constitution", "base", "base_own", "engraved", "final"]
"""A model and how it is asked: under the constitution, by a student's prompt without it, or (`own`)
in its own chat template, as its makers mean it."""
Benchmark = Literal["hhh", "truthfulqa"]

ARMS: tuple[Arm, ...] = get_args(Arm)
BENCHMARKS: tuple[Benchmark, ...] = get_args(Benchmark)
ARM_TITLES: dict[Arm, str] = {
    "base_constitution": "Base + constitution",
    "base": "Base, student's layout",
    "base_own": "Base, own template",
    "engraved": "Engraved",
    "final": "Final",
}
ROLE_ARMS: dict[ModelRole, tuple[Arm, ...]] = {
    "base": ("base_constitution", "base", "base_own"),
    **{role: (role,) for role in MODEL_ROLES if role != "base"},
}
"""The arms of each model."""
MODEL_ARM: dict[ModelRole, Arm] = {role: role for role in MODEL_ROLES}
"""The arm of each model in a student's layout."""


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
    """Those whose number and name agree."""
    direct: bool = False
    """Answers directly in the format; see held_out.py."""
    ended: bool = False
    """Ends by itself, not at the length limit."""
    empty: bool = False
    objections: tuple[str, ...] = ()
    """Reasons for which the run's own filters would reject it as a training row."""
    declined: str = ""
    """The words by which it declines; empty where it does not."""
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
        """Direct, ended, not empty, no objection, and it does not decline.

        Held-out prompts are ordinary requests: one that declines is of no use, however well-formed
        it is. Where declining is due is measured by the probes.
        """
        whole = self.direct and self.ended and not self.empty
        return whole and not self.objections and not self.declined

    def has(self, defect: "Defect") -> bool:
        """Whether the answer has the defect."""
        return not DEFECTS[defect].isdisjoint(self.objections)


Defect = Literal["loops", "copies", "introduces", "other_language"]
DEFECTS: dict[Defect, frozenset[str]] = {
    "loops": frozenset({"loop", "repetitive", "part_repeated"}),
    "copies": frozenset({"prompt_copied", "input_copied"}),
    "introduces": frozenset({"introduces_itself"}),
    "other_language": frozenset({"other_language"}),
}
"""Defects that have a column of their own -> the filters' reasons that are counted there."""


class TopicRank(Record):
    """How likely an answer is after its own question and after others; see on_task.py."""

    arm: Arm
    prompt_id: str
    own: float = 0.0
    """Mean log-probability per token after its own question."""
    others: tuple[float, ...] = ()
    """The same after each of its question's near neighbours; empty where nothing was scored."""

    @property
    def on_task(self) -> bool:
        """Likelier after its own question than after every neighbour; never if it is empty."""
        return bool(self.others) and self.own > max(self.others)


class OnTaskResults(Record):
    """The answers of all arms, ranked by one judge; stored by itself."""

    judge: str
    """Id of the model that scored: the run's base model."""
    seconds: float
    neighbours: int
    """Other questions for each answer."""
    ranks: tuple[TopicRank, ...] = ()
    """Answers of failed requests, and those whose scoring failed, have none."""
    missing: str = ""
    """Why nothing was ranked, where that is so."""


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


ProbeMethod = Literal["ratio", "yes_no"]
"""How rules are probed: by likelihood ratio, or by a question where the engine gives no
log-probabilities of a prompt; see rule_agreement.py."""


class RuleProbe(Record):
    """Which rules one aligned row claims, and which ones matter for it according to the model."""

    prompt_id: str
    claimed: tuple[int, ...]
    method: ProbeMethod = "ratio"
    scores: dict[int, float] = {}
    """Rule -> likelihood ratio, or logP(" yes") - logP(" no"); empty where a request failed."""
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
    left_out: dict[Arm, str] = {}
    """Arms that were not asked -> why."""
