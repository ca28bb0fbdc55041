"""Runs that end early: which stages they walk, and what going on does to their evaluation."""

from dataclasses import dataclass
from typing import Any

import pytest

from selfalign.errors import ConfigError, FingerprintMismatch
from selfalign.events import Event, Note, StageKept, StageStarted
from selfalign.pipeline.run.layout import LAYOUT_SETTINGS
from selfalign.pipeline.run.run import Run, create_or_resume
from selfalign.pipeline.runner.fingerprint import stage_fingerprint
from selfalign.pipeline.runner.reuse import reuse_stages
from selfalign.pipeline.runner.runner import Runner
from selfalign.pipeline.runner.verify import verify_run
from selfalign.pipeline.stages import distill, engrave, evaluate, refine
from selfalign.pipeline.stages.kinds.stage import Stage, StageWork
from selfalign.pipeline.stages.models import models_made
from selfalign.pipeline.stages.register import (
    NAMES,
    STAGES,
    find_stage,
    results_of,
    stages_until,
)
from selfalign.storage.manifest import Manifest, manifest_key, write_manifest
from support.runs import MakeRun


@dataclass(frozen=True, kw_only=True)
class Stub(Stage):
    """Does nothing, and is done."""

    def make(self, work: StageWork) -> None:
        done(work.run, self.name, work.fingerprint)


def done(run: Run, stage: str, fingerprint: dict[str, Any]) -> None:
    if run.manifest(stage) is not None:
        run.store.delete(manifest_key(run.prefix(stage)))
    write_manifest(run.store, run.prefix(stage), Manifest(stage=stage, fingerprint=fingerprint))


READ = ("end_of_turn", *LAYOUT_SETTINGS)
ENGRAVE = Stub(name="engrave", after=(), settings=("engrave", *READ))
DISTILL = Stub(name="distill", after=("engrave",), settings=("distill", *READ))
EVALUATE = Stub(
    name="evaluate",
    after=("engrave",),
    after_if_done=("distill",),
    settings=("evaluate", *LAYOUT_SETTINGS),
    files=("evaluate.probes_file",),
)


def walk(run: Run, *stages: Stage) -> list[tuple[str, type[Event]]]:
    """What happened to each stage."""
    told: list[Event] = []
    executor: Any = None
    Runner(run, executor, told.append).walk(stages)
    kinds = (StageStarted, StageKept, Note)
    return [(event.stage, type(event)) for event in told if isinstance(event, kinds)]


@pytest.mark.parametrize(
    ("last", "walked"),
    [
        ("prompts", ("topics", "prompts")),
        ("align", ("topics", "prompts", "align")),
        ("engrave", ("topics", "prompts", "align", "engrave", "evaluate")),
        ("refine", ("topics", "prompts", "align", "engrave", "refine")),
        ("distill", NAMES),
        ("evaluate", NAMES),
    ],
)
def test_which_stages_are_walked(last: str, walked: tuple[str, ...]) -> None:
    assert tuple(stage.name for stage in stages_until(find_stage(last, "--until"))) == walked


def test_what_the_user_gets_is_the_last_training() -> None:
    early = [(stage.name, label) for stage, label, _ in results_of(stages_until(engrave.STAGE))]
    assert early == [
        ("engrave", "adapter"),
        ("engrave", "model"),
        ("evaluate", "report"),
        ("evaluate", "card"),
    ]
    whole = [stage.name for stage, label, _ in results_of(STAGES) if label == "model"]
    assert whole == ["distill"]


def test_going_on_evaluates_again_and_keeps_the_rest(make_run: MakeRun) -> None:
    run = make_run(prompts=0)
    first = walk(run, ENGRAVE, EVALUATE)
    assert first == [("engrave", StageStarted), ("evaluate", StageStarted)]
    assert walk(run, ENGRAVE, EVALUATE) == [("engrave", StageKept), ("evaluate", StageKept)]
    assert walk(run, ENGRAVE, DISTILL, EVALUATE) == [
        ("engrave", StageKept),
        ("distill", StageStarted),
        ("evaluate", Note),
        ("evaluate", StageStarted),
    ]
    # Ending early afterwards keeps the whole evaluation.
    assert walk(run, ENGRAVE, EVALUATE) == [("engrave", StageKept), ("evaluate", StageKept)]
    assert run.manifest("evaluate") is not None


def test_an_evaluation_with_other_settings_is_no_older_one(make_run: MakeRun) -> None:
    run = make_run(prompts=0)
    walk(run, ENGRAVE)
    fingerprint = stage_fingerprint(run, EVALUATE)
    done(run, "evaluate", {**fingerprint, "seed": 43})
    with pytest.raises(FingerprintMismatch, match="seed"):
        walk(run, ENGRAVE, DISTILL, EVALUATE)
    assert run.manifest("evaluate") is not None


def test_models_that_are_made(make_run: MakeRun) -> None:
    run = make_run(prompts=0)
    assert models_made(STAGES, run) == ("base",)
    done(run, "engrave", {})
    assert models_made(STAGES, run) == ("base", "engraved")
    done(run, "distill", {})
    assert models_made(STAGES, run) == ("base", "engraved", "final")


def ended_early(run: Run) -> None:
    for stage in stages_until(engrave.STAGE):
        done(run, stage.name, stage_fingerprint(run, stage))


def test_verify_and_reuse_understand_a_run_that_ended_early(make_run: MakeRun) -> None:
    run = make_run(prompts=0)
    ended_early(run)
    origin = [
        finding.fault
        for finding in verify_run(run)
        if finding.check == "made from the stages before it"
    ]
    assert origin == [""] * len(stages_until(engrave.STAGE))
    config = run.config.model_copy(update={"name": "two"})
    again, _ = create_or_resume(run.store, config)
    taken = [stage.name for stage in stages_until(engrave.STAGE)]
    assert list(reuse_stages(again, run.name)) == taken
    # An evaluation that has taken in what is gone is not true any more.
    for stage in (refine.STAGE, distill.STAGE):
        done(run, stage.name, stage_fingerprint(run, stage))
    done(run, "evaluate", stage_fingerprint(run, evaluate.STAGE))
    done(run, "distill", {"other": 1})
    faults = [finding.fault for finding in verify_run(run) if finding.stage == "evaluate"]
    assert "distill is not the one that evaluate was made from" in faults


def test_a_stage_that_is_none_is_named() -> None:
    with pytest.raises(ConfigError, match="--until: 'train' is no stage"):
        find_stage("train", "--until")
