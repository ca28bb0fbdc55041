"""What an evaluation works on."""

from dataclasses import dataclass
from functools import cached_property

from selfalign.answering.answer_filter import AnswerFilter
from selfalign.constitution.render import join_input
from selfalign.constitution.schema import Constitution
from selfalign.evaluation.benchmark_files import Benchmarks
from selfalign.evaluation.bootstrap import Bootstrap
from selfalign.evaluation.evaluate_settings import EvaluationSettings
from selfalign.evaluation.probes.probe import Probe
from selfalign.layout.contract import Layout
from selfalign.storage.rows import PromptItem, Row, RowStatus
from selfalign.storage.store import Store
from selfalign.storage.tables import read_rows, to_rows

ALIGNED_COLUMNS = (
    "row_id", "prompt_id", "status", "question_type", "instruction", "input", "thoughts", "rules",
)  # fmt: skip


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
    filters: AnswerFilter
    """Those of form that the run's own stages apply."""
    layout: Layout
    """Of the run's students."""
    own: Layout | str
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
