"""What an evaluation works on."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from selfalign.constitution.render import join_input
from selfalign.constitution.schema import Constitution
from selfalign.evaluation.benchmark_files import Benchmarks
from selfalign.evaluation.bootstrap import Bootstrap
from selfalign.evaluation.evaluate_settings import EvaluationSettings
from selfalign.evaluation.probes.probe import Probe
from selfalign.filters.rejection import Rejection
from selfalign.storage.rows import PromptItem, Row, RowStatus
from selfalign.storage.store import Store
from selfalign.storage.tables import read_rows, to_rows

ALIGNED_COLUMNS = (
    "row_id", "prompt_id", "status", "question_type", "instruction", "input", "thoughts", "rules",
)  # fmt: skip


class AskedLayout(Protocol):
    """How a model is asked without the constitution."""

    @property
    def stops(self) -> tuple[str, ...]:
        """What ends an answer besides the model's end token."""

    def student_prompt(self, instruction: str, input: str = "") -> str:
        """As the run's students are trained and asked."""

    def own_prompt(self, instruction: str, input: str = "") -> str:
        """As the base model's makers mean it."""


class AnswerObjections(Protocol):
    """The run's own filters of form."""

    def all_objections(
        self, instruction: str, input: str, answer: str, *, complete: bool
    ) -> Sequence[Rejection]:
        """Why the answer would be rejected as a training row; nothing if it would be kept."""


@dataclass(frozen=True, kw_only=True)
class EvaluationInputs:
    """The same for all models, apart from the engines."""

    constitution: Constitution
    settings: EvaluationSettings
    held_out: tuple[PromptItem, ...]
    """Prompts that no training saw."""
    aligned: tuple[Row, ...]
    """Accepted rows of stage 2, for the rule citations and the probe."""
    benchmarks: Benchmarks
    filters: AnswerObjections
    layout: AskedLayout
    """Of the run's students."""
    own: AskedLayout | str
    """The base model's own chat template, or why there is none."""
    probes: tuple[Probe, ...] = ()
    """Prompts of the principles, whose answers are scored without a judge."""

    @property
    def bootstrap(self) -> Bootstrap:
        """How the settings want intervals drawn."""
        s = self.settings
        return Bootstrap(s.bootstrap_samples, s.confidence, s.seed)

    def question(self, prompt_id: str) -> str:
        """A held-out prompt's instruction and input."""
        return self._questions[prompt_id]

    @cached_property
    def _questions(self) -> dict[str, str]:
        return {one.prompt_id: join_input(one.instruction, one.input) for one in self.held_out}


def aligned_rows(store: Store, stage_prefix: str) -> tuple[Row, ...]:
    """The accepted rows of stage 2 with what the evaluation needs of them: no answers."""
    table = read_rows(store, stage_prefix, columns=ALIGNED_COLUMNS, status=RowStatus.ACCEPTED)
    return tuple(to_rows(table))
