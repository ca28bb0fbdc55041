"""A run in a folder, with a finished `prompts` stage of made-up rows."""

from collections.abc import Callable
from pathlib import Path

from selfalign.pipeline.run.run import Run, create_or_resume
from selfalign.pipeline.run.run_file import parse_run_config
from selfalign.storage.open import open_store
from selfalign.storage.rows import Row, RowStatus, prompt_id
from selfalign.storage.tables import create_part, part_name

MakeRun = Callable[..., Run]


def make_prompt(number: int) -> Row:
    """An accepted prompt."""
    text = f"Explain thing number {number}."
    return Row(
        row_id=f"candidate-{number:03d}",
        prompt_id=prompt_id(text),
        status=RowStatus.ACCEPTED,
        instruction=text,
    )


def run_in(folder: Path, prompts: int = 10, held_out: int = 2, rows_per_unit: int = 3) -> Run:
    """A run of the small profile whose prompts are there."""
    config = parse_run_config(
        f"name: one\nstore: {folder}\nmodel: {{base: m}}\nprofile: small\n"
        "align: {declining: {enabled: false}}\nrefine: {declining: {enabled: false}}\n"
        f"prompts: {{count: {max(prompts - held_out, 1)}}}\n"
        f"evaluate: {{held_out: {held_out}}}\nrows: {{rows_per_unit: {rows_per_unit}}}\n"
        f"executor: {{work_dir: {folder}/work}}\n",
        "test",
    )
    run, _ = create_or_resume(open_store(config.store), config)
    if prompts:
        rows = [make_prompt(number) for number in range(prompts)]
        create_part(run.store, f"{run.prefix('prompts')}/{part_name(0)}", rows)
    return run
