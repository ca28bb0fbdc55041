"""Stage `topics`: topics for each question type (paper, section 3.1)."""

import math
from collections.abc import AsyncIterator
from dataclasses import dataclass

from selfalign.errors import DataError
from selfalign.pipeline.run.run import Run
from selfalign.pipeline.stages.kinds.generation_stage import UNIT_DEADLINE_S, GenerationStage
from selfalign.pipeline.stages.kinds.ledger import close_table
from selfalign.pipeline.stages.kinds.stage import StageWork
from selfalign.pipeline.units.units import TopicUnit
from selfalign.prompt_synthesizer.seeds import load_topic_seeds
from selfalign.rpc.clients import PromptSynthesizerClient
from selfalign.storage.rows import Row, RowStatus, derive_seed
from selfalign.storage.tables import read_rows


@dataclass(frozen=True, kw_only=True)
class TopicsStage(GenerationStage[TopicUnit]):
    """Brainstorms new topics after the example of the topic seeds."""

    def units(self, run: Run, attempt: int) -> list[TopicUnit]:
        """One unit for each question type, in the order of the seeds; none without topics."""
        known: dict[str, list[str]] = {}
        for seed in load_topic_seeds(run.config.topic_seeds):
            known.setdefault(seed.question_type, []).append(seed.topic)
        quota = math.ceil(run.config.topics.count / len(known))
        if not quota:
            return []
        return [
            TopicUnit(
                unit, kind, tuple(topics), quota, derive_seed(run.config.seed, self.name, kind)
            )
            for unit, (kind, topics) in enumerate(known.items())
        ]

    def rows(
        self, client: PromptSynthesizerClient, run: Run, unit: TopicUnit
    ) -> AsyncIterator[Row]:
        return client.brainstorm_topics(
            question_type=unit.question_type,
            known_topics=unit.known_topics,
            quota=unit.quota,
            seed=unit.seed,
            max_completions=run.config.topics.max_completions,
            deadline_s=UNIT_DEADLINE_S,
        )

    def make(self, work: StageWork) -> None:
        units = len(self.units(work.run, 1))
        if units:
            self.run_workers(work, self.serve(work))
        prefix = work.run.prefix(self.name)
        found = read_rows(work.run.store, prefix, columns=["reason"], status=RowStatus.ACCEPTED)
        if units and not found.num_rows:
            raise DataError(
                f"{self.name}: none of the topics that the model wrote was accepted; raise "
                "topics.max_completions, loosen synthesizer.topics.filters and .fit, or write "
                "prompts without topics (prompts.sources)"
            )
        close_table(work.run, self.name, work.fingerprint, expected=None, units=units)


STAGE = TopicsStage(
    name="topics",
    after=(),
    settings=("topics", "synthesizer"),
    files=("topic_seeds", "synthesizer.wording"),
    service="prompt-synthesizer",
)
