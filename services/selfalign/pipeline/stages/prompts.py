"""Closing stage `prompts`: one global de-duplication over the candidates of all rounds."""

from typing import Any

from selfalign.errors import DataError, ObjectExists
from selfalign.pipeline.run import Run
from selfalign.pipeline.stages.ledger import close_table
from selfalign.pipeline.worker import round_prefix
from selfalign.prompt_synthesizer.seeds import load_task_seeds, load_topic_seeds
from selfalign.prompt_synthesizer.selection import select
from selfalign.storage.manifest import Manifest
from selfalign.storage.rows import Row, RowStatus
from selfalign.storage.tables import create_part, part_name, read_rows, to_rows

ROWS_PER_PART = 20_000


def wanted_prompts(run: Run) -> int:
    """Accepted prompts that the stage must end with, the held-out ones included."""
    return run.config.prompts.count + run.config.evaluate.held_out


def select_prompts(run: Run, rounds: int) -> list[Row]:
    """All candidates of the first `rounds` rounds, each accepted or with the reason why not."""
    candidates: list[Row] = []
    for round_ in range(rounds):
        candidates += to_rows(read_rows(run.store, round_prefix(run, round_)))
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


def count_accepted(rows: list[Row]) -> int:
    """Rows that were kept."""
    return sum(row.status is RowStatus.ACCEPTED for row in rows)


def close_prompts(run: Run, rows: list[Row], rounds: int, fingerprint: dict[str, Any]) -> Manifest:
    """Writes the selected table and its manifest.

    Raises:
        DataError: fewer prompts than wanted survived; the message says what to change.
    """
    accepted, wanted = count_accepted(rows), wanted_prompts(run)
    if accepted < wanted:
        raise DataError(
            f"prompts: {accepted} of {wanted} wanted prompts after {rounds} rounds; raise "
            "prompts.max_rounds or topics.count, add task seeds, or lower prompts.count"
        )
    rows = sorted(rows, key=lambda row: row.row_id)
    for number, start in enumerate(range(0, len(rows), ROWS_PER_PART)):
        key = f"{run.prefix('prompts')}/{part_name(number)}"
        try:
            create_part(run.store, key, rows[start : start + ROWS_PER_PART])
        except ObjectExists:
            # A runner that was killed between the parts and the manifest had the same rows.
            continue
    details = {"rounds": rounds, "wanted": wanted, "held_out": run.config.evaluate.held_out}
    return close_table(
        run, "prompts", fingerprint, expected={row.row_id for row in rows}, details=details
    )
