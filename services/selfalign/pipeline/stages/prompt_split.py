"""The prompts of a run, split into those that are trained on and those that are held out."""

from selfalign.pipeline.run.run import Run
from selfalign.pipeline.stages import prompts
from selfalign.storage.rows import Row, content_hash


def training_prompts(run: Run) -> list[Row]:
    """The prompts that `align` and `refine` answer, sorted by prompt id."""
    return split_held_out(run, prompts.STAGE.accepted(run))[0]


def held_out_prompts(run: Run) -> list[Row]:
    """The prompts that only `evaluate` sees."""
    return split_held_out(run, prompts.STAGE.accepted(run))[1]


def split_held_out(run: Run, accepted: list[Row]) -> tuple[list[Row], list[Row]]:
    """(prompts for training, held-out prompts), drawn by hash: stable under reordering."""
    by_hash = sorted(accepted, key=lambda row: content_hash("held-out", row.prompt_id))
    held_out = {row.prompt_id for row in by_hash[: run.config.evaluate.held_out]}
    return (
        [row for row in accepted if row.prompt_id not in held_out],
        [row for row in accepted if row.prompt_id in held_out],
    )
