"""The constitution's own requests and look-alikes as prompts of a run, several answers each."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from selfalign.answering.declining_settings import DecliningSettings
from selfalign.constitution.declining_schema import DecliningRule
from selfalign.storage.rows import PromptItem, Row, RowStatus, content_hash, prompt_id

SOURCE = "constitution"
"""In the rows' column `source`."""


def answer_id(prompt: str, number: int) -> str:
    """Row id of a prompt's answer `number`, from 0: the first has the prompt's own."""
    return prompt if number == 0 else content_hash("answer", prompt, str(number))


def answer_number(item: PromptItem, most: int) -> int:
    """Which of a prompt's answers a row is; 0 where it is none of `most`."""
    prompt = prompt_id(item.instruction, item.input)
    return next(
        (number for number in range(most) if item.prompt_id == answer_id(prompt, number)), 0
    )


def with_own_requests(
    prompts: Sequence[Row], rules: Sequence[DecliningRule], settings: DecliningSettings
) -> list[Row]:
    """The prompts and the constitution's, sorted by prompt id.

    Of the requests' answers there are at most `max_share` in all rows: the first answer to every
    request before any second one, in an order by hash.
    """
    if not settings.enabled:
        return list(prompts)
    known = {row.prompt_id for row in prompts}
    look_alikes = _rows(text for rule in rules for text in rule.ordinary)
    ordinary = _numbered(
        [row for row in look_alikes if row.prompt_id not in known], settings.answers_per_look_alike
    )
    own = _rows(text for rule in rules for text in rule.requests)
    requests = sorted(
        (row for row in own if row.prompt_id not in known),
        key=lambda row: content_hash("declining", row.prompt_id),
    )
    answers = _numbered(requests, settings.answers_per_request)
    answered = len(prompts) + len(ordinary)
    most = len(answers)
    if settings.max_share < 1:
        most = int(settings.max_share / (1 - settings.max_share) * answered + 1e-9)
    rows = [*prompts, *ordinary, *answers[:most]]
    return sorted(rows, key=lambda row: row.prompt_id)


def _rows(texts: Iterator[str]) -> Iterator[Row]:
    for text in texts:
        id_ = prompt_id(text)
        yield Row(
            row_id=id_, prompt_id=id_, status=RowStatus.ACCEPTED, source=SOURCE, instruction=text
        )


def _numbered(rows: Sequence[Row], answers: int) -> list[Row]:
    """A row for each answer: every prompt's first before any second one."""
    found = []
    for number in range(answers):
        for row in rows:
            id_ = answer_id(row.prompt_id, number)
            found.append(replace(row, row_id=id_, prompt_id=id_))
    return found
