"""Parts of an evaluation: asked once, stored by themselves, read again by the next process."""

from dataclasses import dataclass, field
from typing import cast

import pytest

from selfalign.errors import DataError, EngineTimeout
from selfalign.evaluation.concurrency import Progress
from selfalign.evaluation.results import OnTaskResults
from selfalign.events import Event, Step
from selfalign.inference.client.engine_settings import EngineSettings
from selfalign.inference.contract.engine import Engine
from selfalign.pipeline.executors.contract.executor import Executor
from selfalign.pipeline.stages import evaluate
from selfalign.pipeline.stages.kinds.stage import StageWork
from selfalign.pipeline.stages.register import STAGES
from selfalign.pipeline.stages.served_model import ServedModel
from selfalign.roles import ModelRole
from selfalign.weights.source import Weights
from support.runs import MakeRun


@dataclass
class Served:
    """An executor of which only `serve` and `release` are used."""

    calls: list[str] = field(default_factory=list)

    def serve(self, role: ModelRole, weights: Weights) -> EngineSettings:
        self.calls.append(f"serve {role}")
        return EngineSettings(url="http://127.0.0.1:9")

    def release(self, role: ModelRole) -> None:
        self.calls.append(f"release {role}")


@dataclass
class Place:
    """Where parts are asked in a test."""

    work: StageWork
    served: Served
    events: list[Event]

    def model(self) -> ServedModel:
        return ServedModel(self.work, "p/evaluate", "base")


@pytest.fixture
def place(make_run: MakeRun) -> Place:
    served, events = Served(), list[Event]()
    work = StageWork(make_run(), cast(Executor, served), events.append, {}, STAGES)
    return Place(work, served, events)


async def ask(engine: Engine, progress: Progress) -> OnTaskResults:
    progress("base: on task", 1, 2)
    return OnTaskResults(judge="m", seconds=1.0, neighbours=3)


async def never(engine: Engine, progress: Progress) -> OnTaskResults:
    raise AssertionError("asked again")


async def late(engine: Engine, progress: Progress) -> OnTaskResults:
    raise EngineTimeout("slow")


def test_parts_of_one_model_share_its_engine(place: Place) -> None:
    with place.model() as model:
        first = model.part("a.json", OnTaskResults, ask)
        model.part("b.json", OnTaskResults, ask)
    assert first.judge == "m"
    assert place.served.calls == ["serve base", "release base"]
    assert place.events == [Step(phase="base: on task", step=1, steps=2)] * 2


def test_what_is_stored_is_not_asked_again(place: Place) -> None:
    with place.model() as model:
        first = model.part("a.json", OnTaskResults, ask)
    place.served.calls.clear()
    with place.model() as model:
        assert model.part("a.json", OnTaskResults, never) == first
    assert place.served.calls == []


def test_a_failed_part_leaves_the_finished_ones(place: Place) -> None:
    with pytest.raises(EngineTimeout), place.model() as model:
        model.part("a.json", OnTaskResults, ask)
        model.part("b.json", OnTaskResults, late)
    with place.model() as model:
        model.part("a.json", OnTaskResults, never)
        model.part("b.json", OnTaskResults, ask)


def test_a_damaged_part_is_named(place: Place) -> None:
    place.work.run.store.put("p/evaluate/a.json", b'{"judge": 3}')
    with pytest.raises(DataError, match=r"evaluate/a\.json: not results.*delete it"):
        place.model().part("a.json", OnTaskResults, never)


def test_the_verdict_of_an_old_run_says_why_there_is_none(make_run: MakeRun) -> None:
    run = make_run()
    assert evaluate.STAGE.verdict(run) == []
    run.store.put(f"{run.prefix('evaluate')}/results.json", b'{"summaries": []}')
    (line,) = evaluate.STAGE.verdict(run)
    assert "results of an earlier version" in line
