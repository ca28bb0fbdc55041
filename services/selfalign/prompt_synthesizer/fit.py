"""Does what was written belong to what it was written for: a topic to its question type, an
instruction to its topic?

By the likelihood ratio of answering.likelihood. By Bayes' rule either text may stand first, so the
cheaper way is asked: all topics of a completion after their type in one call, and the topic, which
has few words, after the instruction. Of instructions that a 135M model wrote it also told those
that fit better than the other way did.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace

from selfalign.answering.likelihood import likelihood_ratios
from selfalign.errors import EngineError, EngineLost, LogprobsUnsupported, PromptTooLong
from selfalign.inference.contract.engine import Engine
from selfalign.prompt_synthesizer.candidates import Reason, shorten
from selfalign.prompt_synthesizer.fit_settings import FitSettings
from selfalign.storage.rows import Row, RowStatus

UNSCORED = "fit not scored: the engine gives no log-probabilities of a prompt"
"""Evidence of rows that are kept for want of a score."""


@dataclass(frozen=True, slots=True)
class Fit:
    """Scores rows and rejects those that do not fit. Stateless: equal texts and engines give equal
    verdicts. Rows that are rejected or failed already stay as they are, and cost no call."""

    engine: Engine
    deadline_s: float
    """For each call that scores."""

    async def topics(
        self, rows: Sequence[Row], question_type: str, settings: FitSettings
    ) -> list[Row]:
        """The rows of one completion, in their order: with the score, or `off_type`; failed where
        the engine was."""
        places = _unscored(rows, settings)
        judged = list(rows)
        if not places:
            return judged
        ratios = await _or_error(
            likelihood_ratios(
                self.engine,
                _type_prompt(question_type),
                _type_prompt("Questions"),
                [f" {rows[place].topic}" for place in places],
                self.deadline_s,
            )
        )
        for number, place in enumerate(places):
            found = ratios[number] if isinstance(ratios, list) else ratios
            judged[place] = _judged(rows[place], found, settings, Reason.OFF_TYPE, question_type)
        return judged

    async def instructions(self, rows: Sequence[Row], settings: FitSettings) -> list[Row]:
        """The same of instructions and the topics of their rows: with the score, or `off_topic`."""
        places = _unscored(rows, settings)
        ratios = await asyncio.gather(*(self._of_instruction(rows[place]) for place in places))
        judged = list(rows)
        for place, found in zip(places, ratios, strict=True):
            row = rows[place]
            judged[place] = _judged(row, found, settings, Reason.OFF_TOPIC, row.topic)
        return judged

    async def _of_instruction(self, row: Row) -> float | EngineError | PromptTooLong:
        ratios = await _or_error(
            likelihood_ratios(
                self.engine,
                _instruction_prompt(row.instruction),
                _instruction_prompt(""),
                [f" {row.topic}"],
                self.deadline_s,
            )
        )
        return ratios[0] if isinstance(ratios, list) else ratios


def _type_prompt(question_type: str) -> str:
    return f"{question_type}\nTopic:"


def _instruction_prompt(instruction: str) -> str:
    return f"Instruction: {instruction}".rstrip() + "\nTopic:"


def _unscored(rows: Sequence[Row], settings: FitSettings) -> list[int]:
    """Places of the rows that are to be scored."""
    if settings.min_ratio is None:
        return []
    return [place for place, row in enumerate(rows) if row.status is RowStatus.ACCEPTED]


async def _or_error(
    ratios: Awaitable[list[float]],
) -> list[float] | EngineError | PromptTooLong:
    try:
        return await ratios
    except EngineLost:
        raise
    except (EngineError, PromptTooLong) as error:
        return error


def _judged(
    row: Row,
    found: float | EngineError | PromptTooLong,
    settings: FitSettings,
    reason: Reason,
    label: str,
) -> Row:
    if isinstance(found, LogprobsUnsupported):
        return replace(row, evidence=UNSCORED)
    if not isinstance(found, float):
        return row.failed(found)
    row = replace(row, score=found)
    least = settings.min_ratio
    if least is None or found >= least:
        return row
    evidence = f"a likelihood ratio of {found:.3f}, less than {least:g}: {shorten(label)}"
    return row.rejected(str(reason), evidence)
