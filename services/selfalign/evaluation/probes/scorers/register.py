"""The scorers by the names that files of probes give them."""

from collections.abc import Mapping

from selfalign.evaluation.probes.scorers.arithmetic import NumberEquals, StepsBeforeResult
from selfalign.evaluation.probes.scorers.candour import (
    AdmitsNotKnowing,
    AsksBack,
    DatesItsKnowledge,
)
from selfalign.evaluation.probes.scorers.contract import Scorer
from selfalign.evaluation.probes.scorers.declining import AnswersWithoutDeclining, Declines
from selfalign.evaluation.probes.scorers.facts import Balanced, CorrectsPremise, StatesFact
from selfalign.evaluation.probes.scorers.tasks import DoesTheTask, PatternsOfText

SCORERS: Mapping[str, type[Scorer]] = {
    "declines": Declines,
    "answers_without_declining": AnswersWithoutDeclining,
    "dates_its_knowledge": DatesItsKnowledge,
    "admits_not_knowing": AdmitsNotKnowing,
    "asks_back": AsksBack,
    "corrects_premise": CorrectsPremise,
    "number_equals": NumberEquals,
    "steps_before_result": StepsBeforeResult,
    "balanced": Balanced,
    "states_fact": StatesFact,
    "does_the_task": DoesTheTask,
    "patterns": PatternsOfText,
}
