"""What an evaluation works on."""

from dataclasses import dataclass

from selfalign.constitution.schema import Constitution
from selfalign.evaluation.benchmark_files import Benchmarks
from selfalign.evaluation.bootstrap import Bootstrap
from selfalign.evaluation.evaluate_settings import EvaluationSettings
from selfalign.layout.build import make_layout
from selfalign.layout.chat_template import ChatTemplate
from selfalign.layout.contract import Layout
from selfalign.storage.rows import PromptItem, Row, RowStatus
from selfalign.storage.store import Store
from selfalign.storage.tables import read_rows, to_rows

ALIGNED_COLUMNS = ("row_id", "prompt_id", "status", "instruction", "input", "thoughts", "rules")


@dataclass(frozen=True, slots=True)
class EvaluationInputs:
    """The same for all models, apart from the engines."""

    constitution: Constitution
    settings: EvaluationSettings
    held_out: tuple[PromptItem, ...]
    """Prompts that no training saw."""
    aligned: tuple[Row, ...]
    """Accepted rows of stage 2, for the rule citations and the probe."""
    benchmarks: Benchmarks
    chat_template: ChatTemplate | None = None
    """The run's, by which its students are asked; None: under the published headers."""

    @property
    def layout(self) -> Layout:
        """How the run's students are asked."""
        return make_layout(self.constitution, self.chat_template)

    @property
    def bootstrap(self) -> Bootstrap:
        """How the settings want intervals drawn."""
        s = self.settings
        return Bootstrap(s.bootstrap_samples, s.confidence, s.seed)


def aligned_rows(store: Store, stage_prefix: str) -> tuple[Row, ...]:
    """The accepted rows of stage 2 with what the evaluation needs of them: no answers."""
    table = read_rows(store, stage_prefix, columns=ALIGNED_COLUMNS, status=RowStatus.ACCEPTED)
    return tuple(to_rows(table))
