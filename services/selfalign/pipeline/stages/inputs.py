"""The prompts of a run, split into those that are trained on and those that are held out."""

from selfalign.pipeline.run import Run
from selfalign.storage.rows import Row, RowStatus, content_hash
from selfalign.storage.tables import read_rows, to_rows


def accepted_prompts(run: Run) -> list[Row]:
    """All accepted prompts, sorted by prompt id."""
    table = read_rows(run.store, run.prefix("prompts"), status=RowStatus.ACCEPTED)
    return sorted(to_rows(table), key=lambda row: row.prompt_id)


def split_held_out(run: Run, prompts: list[Row]) -> tuple[list[Row], list[Row]]:
    """(prompts for training, held-out prompts), drawn by hash: stable under reordering."""
    by_hash = sorted(prompts, key=lambda row: content_hash("held-out", row.prompt_id))
    held_out = {row.prompt_id for row in by_hash[: run.config.evaluate.held_out]}
    return (
        [row for row in prompts if row.prompt_id not in held_out],
        [row for row in prompts if row.prompt_id in held_out],
    )


def training_prompts(run: Run) -> list[Row]:
    """The prompts that `align` and `refine` answer, sorted by prompt id."""
    return split_held_out(run, accepted_prompts(run))[0]


def held_out_prompts(run: Run) -> list[Row]:
    """The prompts that only `evaluate` sees."""
    return split_held_out(run, accepted_prompts(run))[1]
