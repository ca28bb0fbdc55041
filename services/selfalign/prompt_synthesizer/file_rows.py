"""Prompts of a user's file as rows of the ledger, after the local filters."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from selfalign.prompt_files.prompt_file import FilePrompt
from selfalign.prompt_synthesizer.candidates import shorten
from selfalign.prompt_synthesizer.ledger_rows import judge_instruction
from selfalign.prompt_synthesizer.synthesizer_settings import FileFilterSettings
from selfalign.storage.rows import Row, RowStatus, content_hash, prompt_id

FILE = "file"
"""The source of these rows."""


def file_rows(
    prompts: Iterable[FilePrompt], digest: str, filters: FileFilterSettings
) -> Iterator[Row]:
    """One row for each prompt, in their order.

    A prompt of more characters than the filters allow is rejected with its beginning alone, so that
    no row of the ledger has megabytes; its prompt_id is the whole text's.

    Args:
        digest: The file's; with the prompt's number it makes the row's id.
    """
    for prompt in prompts:
        texts = prompt.instruction, prompt.input
        row = Row(
            row_id=content_hash("prompts", FILE, digest, str(prompt.number)),
            prompt_id=prompt_id(*texts),
            status=RowStatus.ACCEPTED,
            source=FILE,
            instruction=prompt.instruction,
            input=prompt.input,
        )
        row = judge_instruction(row, filters, ())
        if filters.max_chars is not None and sum(map(len, texts)) > filters.max_chars:
            row = replace(row, instruction=shorten(row.instruction), input=shorten(row.input))
        yield row
