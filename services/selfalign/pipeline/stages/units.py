"""Units of work: each becomes one part, and is a pure function of the configuration and the store.

No unit depends on time, on the order of arrival or on the number of workers, so any worker can
redo any unit, and a create-only put decides whose part counts.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import Literal

import pyarrow.compute as pc

from selfalign.pipeline.run import Run
from selfalign.pipeline.stages.inputs import training_prompts
from selfalign.prompt_synthesizer.seeds import load_topic_seeds
from selfalign.storage.rows import PromptItem, Row, RowStatus, derive_seed
from selfalign.storage.stages import StageName
from selfalign.storage.tables import list_parts, part_name, read_rows, to_rows

# Later rounds only top up what the first one fell short of.
TOP_UP_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class TopicUnit:
    """All topics of one question type."""

    unit: int
    question_type: str
    known_topics: tuple[str, ...]
    quota: int
    seed: int


@dataclass(frozen=True, slots=True)
class PromptUnit:
    """A batch of requests for instructions of one source."""

    unit: int
    source: Literal["self_instruct", "topic_guided"]
    completions: int
    """Completions to ask for (self_instruct)."""
    hints: tuple[tuple[str, str], ...]
    """(question type, topic) of each instruction wanted (topic_guided)."""
    seed: int


@dataclass(frozen=True, slots=True)
class RowUnit:
    """Prompts that are answered into one part."""

    unit: int
    items: tuple[PromptItem, ...]


def topic_units(run: Run) -> list[TopicUnit]:
    """One unit for each question type, in the order of the seeds."""
    known: dict[str, list[str]] = {}
    for seed in load_topic_seeds(run.config.topic_seeds):
        known.setdefault(seed.question_type, []).append(seed.topic)
    quota = math.ceil(run.config.topics.count / len(known))
    return [
        TopicUnit(unit, kind, tuple(topics), quota, derive_seed(run.config.seed, "topics", kind))
        for unit, (kind, topics) in enumerate(known.items())
    ]


def prompt_units(run: Run, round_: int) -> list[PromptUnit]:
    """The units of one round of generation: self-instruct first, then topic-guided."""
    settings = run.config.prompts
    wanted = settings.count + run.config.evaluate.held_out
    guided = round(wanted * settings.topic_guided_share)
    scale = 1.0 if round_ == 0 else TOP_UP_SHARE
    completions = math.ceil(scale * (wanted - guided) / settings.expected_per_completion)
    hints = draw_hints(run, math.ceil(scale * guided / settings.expected_per_hint), round_)
    size = settings.completions_per_unit
    plans: list[tuple[Literal["self_instruct", "topic_guided"], int, tuple[tuple[str, str], ...]]]
    plans = [
        ("self_instruct", min(size, completions - start), ())
        for start in range(0, completions, size)
    ]
    plans += [
        ("topic_guided", 0, tuple(hints[start : start + size]))
        for start in range(0, len(hints), size)
    ]
    return [
        PromptUnit(unit, *plan, derive_seed(run.config.seed, "prompts", round_, unit))
        for unit, plan in enumerate(plans)
    ]


def draw_hints(run: Run, count: int, round_: int) -> list[tuple[str, str]]:
    """`count` topics: every one once before any comes twice, reshuffled each time round."""
    table = read_rows(run.store, run.prefix("topics"), status=RowStatus.ACCEPTED)
    topics = sorted((row.question_type, row.topic) for row in to_rows(table))
    random = Random(derive_seed(run.config.seed, "hints", round_))
    hints: list[tuple[str, str]] = []
    while topics and len(hints) < count:
        random.shuffle(topics)
        hints += topics
    return hints[:count]


def row_units(run: Run, stage: StageName, attempt: int) -> list[RowUnit]:
    """The units of `align` or `refine`; for a later attempt just those with failed rows left."""
    prompts = training_prompts(run)
    size = run.config.rows.rows_per_unit
    failed = failed_ids(run, stage) if attempt > 1 else None
    units = []
    for unit, start in enumerate(range(0, len(prompts), size)):
        chunk = [
            _item(run, stage, row, attempt)
            for row in prompts[start : start + size]
            if failed is None or row.prompt_id in failed
        ]
        if chunk:
            units.append(RowUnit(unit, tuple(chunk)))
    return units


def failed_ids(run: Run, stage: StageName) -> set[str]:
    """Rows of the stage whose latest attempt failed."""
    table = read_rows(run.store, run.prefix(stage), columns=["row_id", "status"])
    failed = table.filter(pc.equal(table["status"], RowStatus.FAILED.value))
    return set(failed["row_id"].to_pylist())


def missing_parts(run: Run, prefix: str, numbers: Iterable[int], attempt: int) -> set[int]:
    """Those of the units `numbers` that have no part yet."""
    done = set(list_parts(run.store, prefix))
    return {unit for unit in numbers if part_name(unit, attempt) not in done}


def _item(run: Run, stage: StageName, row: Row, attempt: int) -> PromptItem:
    seed = derive_seed(run.config.seed, stage, row.prompt_id, attempt)
    return PromptItem.of(row, seed=seed, attempt=attempt)
