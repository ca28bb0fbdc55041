"""The prompts of a user's own file, as candidates of stage `prompts`."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice

from selfalign.errors import ConfigError, ObjectExists
from selfalign.pipeline.run.config import RunConfig
from selfalign.pipeline.run.own_files import own_path
from selfalign.pipeline.run.run import Run
from selfalign.prompt_files.prompt_file import digest_of, read_prompts
from selfalign.prompt_synthesizer.file_rows import file_rows
from selfalign.storage.rows import Row
from selfalign.storage.store import Store
from selfalign.storage.tables import create_part, part_name, read_rows, to_rows

SETTING = "prompts.file"
ROWS_PER_PART = 10_000


@dataclass(frozen=True, slots=True)
class OwnPrompts:
    """The file as it is now; without one there are no rows."""

    run: Run
    prefix: str
    """Its folder in the store. The file's digest is part of the name: where the file changes while
    the stage is not done, no old row remains among the new ones."""

    def rows(self) -> Iterator[Row]:
        """Every row of the file, judged by the local filters."""
        return to_rows(read_rows(self.run.store, self.prefix))


def import_own_prompts(run: Run, stage: str) -> OwnPrompts | None:
    """Turns the run's file into candidates of the stage, part by part; None where it names none.

    Raises:
        ConfigError, DataError: the file is not there, or wrong.
        StoreError: the store does not take the parts.
    """
    settings = run.config.prompts
    if settings.file is None:
        return None
    name = f"{SETTING}: {settings.file}"
    with own_path(run.store, str(settings.file), SETTING) as path:
        digest = digest_of(path, name)
        own = OwnPrompts(run, f"{run.prefix(stage)}/file-{digest}")
        prompts = read_prompts(path, name, settings.fields)
        rows = file_rows(prompts, digest, settings.file_filters)
        for number in count():
            part = list(islice(rows, ROWS_PER_PART))
            if not part:
                return own
            try:
                create_part(run.store, f"{own.prefix}/{part_name(number)}", part)
            except ObjectExists:
                # A runner that was stopped wrote it: the same rows of the same file.
                continue
    return own


def check_own_prompts(store: Store, config: RunConfig) -> None:
    """Reads the whole file that a run names, so that a wrong line is refused before any work.

    Raises:
        ConfigError: it is not there, or holds too few prompts for a run of nothing else.
        DataError: naming the line or row that is wrong.
    """
    settings = config.prompts
    if settings.file is None:
        return
    with own_path(store, str(settings.file), SETTING) as path:
        name = f"{SETTING}: {settings.file}"
        rows = sum(1 for _ in read_prompts(path, name, settings.fields))
    wanted = config.wanted_prompts
    if settings.sources.file == 1.0 and rows < wanted:
        raise ConfigError(
            f"{name}: holds {rows} rows, and {wanted} prompts are wanted (prompts.count "
            f"{settings.count} and evaluate.held_out {config.evaluate.held_out}), all of them from "
            "there; lower prompts.count, or give other sources a share"
        )
