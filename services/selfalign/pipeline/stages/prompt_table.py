"""The table of stage `prompts`: what it was chosen from, and what must hold of it."""

from collections.abc import Iterator

from selfalign.errors import DataError, VerificationError
from selfalign.pipeline.run.run import Run
from selfalign.pipeline.stages.prompt_plan import NAME
from selfalign.settings.prompt_source import REQUEST
from selfalign.storage.manifest import PartInfo
from selfalign.storage.rows import Row, RowStatus, prompt_id
from selfalign.storage.tables import list_parts, parse_part, part_info


def count_accepted(rows: list[Row]) -> int:
    """Rows that were kept."""
    return sum(row.status is RowStatus.ACCEPTED for row in rows)


def check_ids(rows: list[Row]) -> None:
    """Proves that accepted prompts have ids of their own, which are the hashes of their texts."""
    if len({row.prompt_id for row in rows}) < len(rows):
        raise VerificationError("two accepted prompts have the same id")
    for row in rows:
        if prompt_id(row.instruction, row.input) != row.prompt_id:
            raise VerificationError(f"{row.prompt_id}: not the hash of its instruction and input")


def check_held_out(rows: list[Row], wanted: int) -> None:
    """Raises DataError where too few prompts can be held out: surplus ones of source `request` have
    taken the places of those that other sources lack."""
    found = count_accepted([row for row in rows if row.source != REQUEST])
    if found < wanted:
        raise DataError(
            f"{NAME}: {found} accepted prompts of sources other than request, and "
            f"evaluate.held_out {wanted} of them are wanted; lower prompts.sources.request or "
            "evaluate.held_out, or raise prompts.max_rounds"
        )


def candidate_parts(run: Run, prefix: str) -> Iterator[PartInfo]:
    """The parts of one round, named from the stage's folder on."""
    for name in list_parts(run.store, prefix):
        data = run.store.get(f"{prefix}/{name}")
        info = part_info(name, data, parse_part(name, data, ["row_id"]).num_rows)
        folder = prefix.removeprefix(f"{run.prefix(NAME)}/")
        yield info.model_copy(update={"name": f"{folder}/{name}"})
