"""The prompts of a run, split into those that are trained on and those that are held out."""

from selfalign.answering.declining_settings import DecliningSettings
from selfalign.answering.own_requests import with_own_requests
from selfalign.constitution.yaml_file import load_constitution
from selfalign.pipeline.run.run import Run
from selfalign.pipeline.stages import prompts
from selfalign.prompt_synthesizer.seeds import load_task_seeds
from selfalign.settings.prompt_source import REQUEST, SEED
from selfalign.storage.rows import Row, RowStatus, content_hash, prompt_id


def training_prompts(run: Run) -> list[Row]:
    """The prompts of stage `prompts` that are trained on and, where the run wants them answered,
    the task seeds; sorted by prompt id."""
    rows = split_held_out(run, prompts.STAGE.accepted(run))[0]
    known = {row.prompt_id for row in rows}
    seeds = [row for row in seed_prompts(run) if row.prompt_id not in known]
    return sorted([*rows, *seeds], key=lambda row: row.prompt_id)


def seed_prompts(run: Run) -> list[Row]:
    """The task seeds as prompts; none where the run does not want them answered."""
    if not run.config.prompts.seed_tasks:
        return []
    seeds = {
        prompt_id(seed.instruction, seed.input): seed
        for seed in load_task_seeds(run.config.task_seeds)
    }
    return [
        Row(
            row_id=id_,
            prompt_id=id_,
            status=RowStatus.ACCEPTED,
            source=SEED,
            instruction=seed.instruction,
            input=seed.input,
        )
        for id_, seed in seeds.items()
    ]


def align_prompts(run: Run) -> list[Row]:
    """The prompts that `align` answers: those for training, and the constitution's own."""
    return _with_own(run, run.config.align.declining)


def refine_prompts(run: Run) -> list[Row]:
    """The same for `refine`."""
    return _with_own(run, run.config.refine.declining)


def _with_own(run: Run, settings: DecliningSettings) -> list[Row]:
    rules = load_constitution(run.config.constitution).declining if settings.enabled else ()
    return with_own_requests(training_prompts(run), rules, settings)


def held_out_prompts(run: Run) -> list[Row]:
    """The prompts that only `evaluate` sees."""
    return split_held_out(run, prompts.STAGE.accepted(run))[1]


def split_held_out(run: Run, accepted: list[Row]) -> tuple[list[Row], list[Row]]:
    """(prompts for training, held-out prompts), drawn by hash: stable under reordering.

    Held-out prompts are ordinary ones, so that declining one counts as a fault: those begun as the
    constitution's requests are trained on alone.
    """
    ordinary = [row for row in accepted if row.source != REQUEST]
    by_hash = sorted(ordinary, key=lambda row: content_hash("held-out", row.prompt_id))
    held_out = {row.prompt_id for row in by_hash[: run.config.evaluate.held_out]}
    return (
        [row for row in accepted if row.prompt_id not in held_out],
        [row for row in accepted if row.prompt_id in held_out],
    )
