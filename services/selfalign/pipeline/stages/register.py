"""The stages of a run, in order: the only list of them."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from selfalign.errors import ConfigError
from selfalign.pipeline.stages import align, distill, engrave, evaluate, prompts, refine, topics
from selfalign.pipeline.stages.kinds.answer_stage import AnswerStage
from selfalign.pipeline.stages.kinds.stage import Stage
from selfalign.pipeline.stages.kinds.table_stage import TableStage
from selfalign.pipeline.stages.kinds.training_stage import TrainingStage

Kind = TypeVar("Kind", bound=Stage)

STAGES: tuple[Stage, ...] = (
    topics.STAGE,
    prompts.STAGE,
    align.STAGE,
    engrave.STAGE,
    refine.STAGE,
    distill.STAGE,
    evaluate.STAGE,
)

NAMES = tuple(stage.name for stage in STAGES)
TABLES = tuple(stage for stage in STAGES if isinstance(stage, TableStage))
ANSWERS = tuple(stage for stage in STAGES if isinstance(stage, AnswerStage))
TRAININGS = tuple(stage for stage in STAGES if isinstance(stage, TrainingStage))


def stages_until(last: Stage) -> tuple[Stage, ...]:
    """The stages of a run that ends with `last`.

    A run that ends with a training has its models evaluated, with report and card; one that ends
    before, with rows, does not.
    """
    walked = STAGES[: STAGES.index(last) + 1]
    if isinstance(last, TrainingStage):
        return (*walked, evaluate.STAGE)
    return walked


def results_of(stages: Iterable[Stage]) -> Iterator[tuple[Stage, str, str]]:
    """(stage, label, name in its folder) of what a user gets: of trainings the last one's alone."""
    stages = list(stages)
    trainings = [stage for stage in stages if isinstance(stage, TrainingStage)]
    for stage in stages:
        if stage not in trainings[:-1]:
            yield from ((stage, label, name) for label, name in stage.results)


def find_stage(name: str, option: str) -> Stage:
    """The stage of that name.

    Args:
        option: What named it, for the message.

    Raises:
        ConfigError: there is none.
    """
    return _find(name, option, STAGES, "stage")


def find_table(name: str, option: str) -> TableStage:
    """The table stage of that name. Raises ConfigError where there is none."""
    return _find(name, option, TABLES, "stage with workers")


def _find(name: str, option: str, among: Iterable[Kind], kind: str) -> Kind:
    for stage in among:
        if stage.name == name:
            return stage
    known = ", ".join(stage.name for stage in among)
    raise ConfigError(f"{option}: {name!r} is no {kind}; expected one of {known}")
