"""Stage `prompts`: instructions, self-instruct and topic-guided (paper, section 3.1).

Rounds of generation write candidates; one global de-duplication over all of them closes the stage.
"""

import math
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any, Literal

from selfalign.errors import DataError, ObjectExists, VerificationError
from selfalign.pipeline.run.run import Run
from selfalign.pipeline.stages import topics
from selfalign.pipeline.stages.kinds.generation_stage import UNIT_DEADLINE_S, GenerationStage
from selfalign.pipeline.stages.kinds.ledger import close_table
from selfalign.pipeline.stages.kinds.stage import Proof, StageWork
from selfalign.pipeline.units.units import PromptUnit
from selfalign.prompt_synthesizer.seeds import load_task_seeds, load_topic_seeds
from selfalign.prompt_synthesizer.selection import select
from selfalign.rpc.clients import PromptSynthesizerClient
from selfalign.storage.manifest import Manifest
from selfalign.storage.rows import Row, RowStatus, derive_seed, prompt_id
from selfalign.storage.tables import create_part, part_name, read_rows, to_rows

ROWS_PER_PART = 20_000
# Later rounds only top up what the first one fell short of.
TOP_UP_SHARE = 0.5

Source = Literal["self_instruct", "topic_guided"]
Hint = tuple[str, str]
"""(question type, topic) of an instruction that is wanted."""


@dataclass(frozen=True, kw_only=True)
class PromptsStage(GenerationStage[PromptUnit]):
    """Writes instructions until just as many as wanted are left after de-duplication."""

    def units(self, run: Run, attempt: int) -> list[PromptUnit]:
        """The units of one round, from 1: self-instruct first, then topic-guided."""
        settings, round_ = run.config.prompts, attempt - 1
        wanted = wanted_prompts(run)
        guided = round(wanted * settings.topic_guided_share)
        scale = 1.0 if round_ == 0 else TOP_UP_SHARE
        completions = math.ceil(scale * (wanted - guided) / settings.expected_per_completion)
        hints = draw_hints(run, math.ceil(scale * guided / settings.expected_per_hint), round_)
        size = settings.completions_per_unit
        plans: list[tuple[Source, int, tuple[Hint, ...]]] = [
            ("self_instruct", min(size, completions - start), ())
            for start in range(0, completions, size)
        ]
        plans += [
            ("topic_guided", 0, tuple(hints[start : start + size]))
            for start in range(0, len(hints), size)
        ]
        return [
            PromptUnit(unit, *plan, derive_seed(run.config.seed, self.name, round_, unit))
            for unit, plan in enumerate(plans)
        ]

    def parts_prefix(self, run: Run, attempt: int) -> str:
        """A round's folder: its candidates are not yet rows of the stage."""
        return f"{run.prefix(self.name)}/round-{attempt - 1:02d}"

    def rows(
        self, client: PromptSynthesizerClient, run: Run, unit: PromptUnit
    ) -> AsyncIterator[Row]:
        return client.synthesize_prompts(
            source=unit.source,
            completions=unit.completions,
            hints=unit.hints,
            seed=unit.seed,
            deadline_s=UNIT_DEADLINE_S,
        )

    def proofs(self, run: Run, manifest: Manifest) -> Iterator[Proof]:
        yield from super().proofs(run, manifest)
        yield "ids are the content's", lambda: check_ids(self.accepted(run))

    def make(self, work: StageWork) -> None:
        target = self.serve(work)
        for rounds in range(1, work.run.config.prompts.max_rounds + 1):
            self.run_workers(work, target, rounds)
            rows = self.select(work.run, rounds)
            if count_accepted(rows) >= wanted_prompts(work.run):
                break
        self.close(work.run, rows, rounds, work.fingerprint)

    def accepted(self, run: Run) -> list[Row]:
        """All accepted prompts, sorted by prompt id."""
        table = read_rows(run.store, run.prefix(self.name), status=RowStatus.ACCEPTED)
        return sorted(to_rows(table), key=lambda row: row.prompt_id)

    def select(self, run: Run, rounds: int) -> list[Row]:
        """All candidates of the first rounds, each accepted or with the reason why not."""
        candidates: list[Row] = []
        for attempt in range(1, rounds + 1):
            candidates += to_rows(read_rows(run.store, self.parts_prefix(run, attempt)))
        settings = run.config.prompts
        seeds = [seed.instruction for seed in load_task_seeds(run.config.task_seeds)]
        seeds += [seed.instruction for seed in load_topic_seeds(run.config.topic_seeds)]
        return select(
            candidates,
            wanted=wanted_prompts(run),
            seed_texts=seeds,
            threshold=settings.rouge_threshold,
            topic_guided_share=settings.topic_guided_share,
            run_seed=run.config.seed,
        )

    def close(
        self, run: Run, rows: list[Row], rounds: int, fingerprint: dict[str, Any]
    ) -> Manifest:
        """Writes the selected table and its manifest.

        Raises:
            DataError: fewer prompts than wanted survived; the message says what to change.
        """
        accepted, wanted = count_accepted(rows), wanted_prompts(run)
        if accepted < wanted:
            raise DataError(
                f"{self.name}: {accepted} of {wanted} wanted prompts after {rounds} rounds; raise "
                "prompts.max_rounds or topics.count, add task seeds, or lower prompts.count"
            )
        rows = sorted(rows, key=lambda row: row.row_id)
        for number, start in enumerate(range(0, len(rows), ROWS_PER_PART)):
            key = f"{run.prefix(self.name)}/{part_name(number)}"
            try:
                create_part(run.store, key, rows[start : start + ROWS_PER_PART])
            except ObjectExists:
                # A runner that was killed between the parts and the manifest had the same rows.
                continue
        details = {"rounds": rounds, "wanted": wanted, "held_out": run.config.evaluate.held_out}
        expected = {row.row_id for row in rows}
        return close_table(run, self.name, fingerprint, expected=expected, details=details)


def wanted_prompts(run: Run) -> int:
    """Accepted prompts that the stage must end with, the held-out ones included."""
    return run.config.prompts.count + run.config.evaluate.held_out


def draw_hints(run: Run, count: int, round_: int) -> list[Hint]:
    """`count` topics: every one once before any comes twice, reshuffled each time round."""
    prefix = run.prefix(topics.STAGE.name)
    table = read_rows(run.store, prefix, status=RowStatus.ACCEPTED)
    known = sorted((row.question_type, row.topic) for row in to_rows(table))
    random = Random(derive_seed(run.config.seed, "hints", round_))
    hints: list[Hint] = []
    while known and len(hints) < count:
        random.shuffle(known)
        hints += known
    return hints[:count]


def check_ids(rows: list[Row]) -> None:
    """Proves that accepted prompts have ids of their own, which are the hashes of their texts."""
    if len({row.prompt_id for row in rows}) < len(rows):
        raise VerificationError("two accepted prompts have the same id")
    for row in rows:
        if prompt_id(row.instruction, row.input) != row.prompt_id:
            raise VerificationError(f"{row.prompt_id}: not the hash of its instruction and input")


def count_accepted(rows: list[Row]) -> int:
    """Rows that were kept."""
    return sum(row.status is RowStatus.ACCEPTED for row in rows)


STAGE = PromptsStage(
    name="prompts",
    after=(topics.STAGE.name,),
    settings=("prompts", "synthesizer", "evaluate.held_out"),
    files=("task_seeds", "topic_seeds", "synthesizer.wording"),
    service="prompt-synthesizer",
)
