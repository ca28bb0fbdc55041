"""Stage `prompts`: instructions, self-instruct and topic-guided (paper, section 3.1), written by a
chat model as the user, or the user's own.

Rounds of generation write candidates; one global de-duplication over all of them, and over those of
the user's file, closes the stage.
"""

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

from selfalign.errors import DataError, ObjectExists
from selfalign.pipeline.run.run import Run
from selfalign.pipeline.stages import topics
from selfalign.pipeline.stages.kinds.generation_stage import UNIT_DEADLINE_S, GenerationStage
from selfalign.pipeline.stages.kinds.ledger import close_table
from selfalign.pipeline.stages.kinds.stage import Proof, StageWork
from selfalign.pipeline.stages.own_prompts import OwnPrompts, import_own_prompts
from selfalign.pipeline.stages.prompt_plan import NAME, plan_round, round_prefix
from selfalign.pipeline.stages.prompt_table import (
    candidate_parts,
    check_held_out,
    check_ids,
    count_accepted,
)
from selfalign.pipeline.stages.user_turns import known_requests, template_turn, turn_openings
from selfalign.pipeline.units.units import PromptUnit
from selfalign.prompt_synthesizer.caps import Cap, openings, per_topic
from selfalign.prompt_synthesizer.seeds import load_task_seeds, load_topic_seeds
from selfalign.prompt_synthesizer.selection import select, targets
from selfalign.rpc.clients import PromptSynthesizerClient
from selfalign.settings.prompt_source import USER_TURNS
from selfalign.storage.manifest import Manifest
from selfalign.storage.rows import Row, RowStatus, derive_seed
from selfalign.storage.tables import (
    create_part,
    part_name,
    read_rows,
    to_rows,
)

ROWS_PER_PART = 20_000


@dataclass(frozen=True, kw_only=True)
class PromptsStage(GenerationStage[PromptUnit]):
    """Writes instructions until just as many as wanted are left after de-duplication."""

    def units(self, run: Run, attempt: int) -> list[PromptUnit]:
        """The units of one round, from 1: self-instruct, topic-guided, then the chat template."""
        round_ = attempt - 1
        return [
            PromptUnit(unit, *plan, derive_seed(run.config.seed, self.name, round_, unit))
            for unit, plan in enumerate(plan_round(run, round_))
        ]

    def texts(self, run: Run) -> dict[str, str]:
        sources = run.config.prompts.sources
        if not (sources.template or sources.request):
            return {}
        turn = template_turn(run)
        texts = {"chat_template": f"{turn.prefix}\n{turn.end}"}
        given = {"request_openings": turn_openings(run), "requests": known_requests(run)}
        return texts | {name: "\n".join(words) for name, words in given.items() if words}

    def parts_prefix(self, run: Run, attempt: int) -> str:
        return round_prefix(run, attempt - 1)

    def rows(
        self, client: PromptSynthesizerClient, run: Run, unit: PromptUnit
    ) -> AsyncIterator[Row]:
        turn = template_turn(run) if unit.source in USER_TURNS else None
        return client.synthesize_prompts(
            source=unit.source,
            completions=unit.completions,
            hints=unit.hints,
            seed=unit.seed,
            deadline_s=UNIT_DEADLINE_S,
            user_turn=(turn.prefix, turn.end) if turn else ("", ""),
            openings=unit.openings,
        )

    def proofs(self, run: Run, manifest: Manifest) -> Iterator[Proof]:
        yield from super().proofs(run, manifest)
        yield "ids are the content's", lambda: check_ids(self.accepted(run))

    def make(self, work: StageWork) -> None:
        run, target, rounds = work.run, None, 0
        own = import_own_prompts(run, self.name)
        for attempt in range(1, run.config.prompts.max_rounds + 1):
            if not self.units(run, attempt):
                # Of the user's own prompts alone: no engine is needed.
                break
            target, rounds = target or self.serve(work), attempt
            self.run_workers(work, target, attempt)
            rows = self.select(run, attempt, own)
            if count_accepted(rows) >= run.config.wanted_prompts:
                break
        if not rounds:
            rows = self.select(run, rounds, own)
        self.close(run, rows, rounds, work.fingerprint)

    def accepted(self, run: Run) -> list[Row]:
        """All accepted prompts, sorted by prompt id."""
        table = read_rows(run.store, run.prefix(self.name), status=RowStatus.ACCEPTED)
        return sorted(to_rows(table), key=lambda row: row.prompt_id)

    def select(self, run: Run, rounds: int, own: OwnPrompts | None = None) -> list[Row]:
        """All candidates of the file and of the first rounds, each accepted or with the reason why
        not."""
        candidates: list[Row] = list(own.rows()) if own else []
        for attempt in range(1, rounds + 1):
            candidates += to_rows(read_rows(run.store, self.parts_prefix(run, attempt)))
        settings = run.config.prompts
        seeds = [seed.instruction for seed in load_task_seeds(run.config.task_seeds)]
        seeds += [seed.instruction for seed in load_topic_seeds(run.config.topic_seeds)]
        seeds += known_requests(run)
        return select(
            candidates,
            wanted=run.config.wanted_prompts,
            seed_texts=seeds,
            threshold=settings.rouge_threshold,
            shares=settings.sources.shares(),
            run_seed=run.config.seed,
            caps=caps(run),
        )

    def close(
        self, run: Run, rows: list[Row], rounds: int, fingerprint: dict[str, Any]
    ) -> Manifest:
        """Writes the selected table and its manifest.

        Raises:
            DataError: fewer prompts than wanted survived; the message says what to change.
        """
        accepted, wanted = count_accepted(rows), run.config.wanted_prompts
        if accepted < wanted:
            remedy = (
                "raise prompts.max_rounds or topics.count, add task seeds, or lower prompts.count"
                if rounds
                else "lower prompts.count, add rows to prompts.file, or give other sources a share"
            )
            counts = Counter(row.reason for row in rows if row.reason)
            lost = ", ".join(f"{reason} {count}" for reason, count in counts.most_common(5))
            raise DataError(
                f"{self.name}: {accepted} of {wanted} wanted prompts after {rounds} rounds "
                f"({len(rows)} candidates; rejected: {lost or 'none'}); {remedy}"
            )
        check_held_out(rows, run.config.evaluate.held_out)
        rows = sorted(rows, key=lambda row: row.row_id)
        for number, start in enumerate(range(0, len(rows), ROWS_PER_PART)):
            key = f"{run.prefix(self.name)}/{part_name(number)}"
            try:
                create_part(run.store, key, rows[start : start + ROWS_PER_PART])
            except ObjectExists:
                # A runner that was killed between the parts and the manifest had the same rows.
                continue
        sources = Counter(row.source for row in rows if row.status is RowStatus.ACCEPTED)
        candidates = [
            info
            for attempt in range(1, rounds + 1)
            for info in candidate_parts(run, self.parts_prefix(run, attempt))
        ]
        details = {
            "rounds": rounds,
            "wanted": wanted,
            "held_out": run.config.evaluate.held_out,
            "sources": dict(sources.most_common()),
        }
        expected = {row.row_id for row in rows}
        return close_table(
            run,
            self.name,
            fingerprint,
            expected=expected,
            candidates=tuple(candidates),
            details=details,
        )


def caps(run: Run) -> list[Cap]:
    """How many prompts may be alike."""
    settings = run.config.prompts
    turns = targets(run.config.wanted_prompts, settings.sources.shares())["template"]
    at_most = max(1, round(turns * settings.max_opening_share))
    found = [openings(settings.opening_words, at_most, turn_openings(run))] if turns else []
    if settings.max_per_topic is not None:
        found.append(per_topic(settings.max_per_topic))
    return found


STAGE = PromptsStage(
    name=NAME,
    after=(topics.STAGE.name,),
    settings=("prompts", "synthesizer", "evaluate.held_out"),
    files=("task_seeds", "topic_seeds", "synthesizer.wording"),
    own_files=("prompts.file",),
    service="prompt-synthesizer",
)
