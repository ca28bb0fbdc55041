"""`data.extra_rows` of a run file: on its way into the training job, and into the fingerprint."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from selfalign.errors import ConfigError
from selfalign.pipeline.run.run import Run
from selfalign.pipeline.runner.fingerprint import given_files
from selfalign.pipeline.stages import distill, engrave
from selfalign.pipeline.stages.kinds.stage import StageWork
from selfalign.pipeline.stages.register import STAGES
from selfalign.training_settings.run_section import TrainingSection
from support.runs import MakeRun


class Trainer:
    """An executor that keeps what it is asked to train."""

    def __init__(self) -> None:
        self.settings: dict[str, Any] = {}

    def train(self, stage: str, settings: dict[str, Any], sink: object) -> None:
        self.settings = settings


def with_rows(run: Run, name: str) -> Run:
    section = TrainingSection.model_validate({"epochs": 2, "data": {"extra_rows": name}})
    return replace(run, config=run.config.model_copy(update={"engrave": section}))


def trained(run: Run) -> dict[str, Any]:
    trainer: Any = Trainer()
    engrave.STAGE.make(StageWork(run, trainer, lambda event: None, {}, STAGES))
    return dict(trainer.settings)


def test_a_file_is_put_where_every_training_pod_finds_it(make_run: MakeRun, tmp_path: Path) -> None:
    rows = tmp_path / "mine.jsonl"
    rows.write_bytes(b"{}\n")
    run = with_rows(make_run(prompts=0), str(rows))
    settings = trained(run)
    key = settings["data"]["extra_rows"]
    assert key == f"{run.name}/engrave/extra_rows.jsonl"
    assert run.store.get(key) == b"{}\n"
    assert settings["data"]["stage_prefix"] == f"{run.name}/align"
    assert settings["epochs"] == 2
    assert trained(make_run(prompts=0))["data"]["extra_rows"] is None


def test_its_content_is_part_of_the_stage(make_run: MakeRun, tmp_path: Path) -> None:
    rows = tmp_path / "mine.jsonl"
    run = make_run(prompts=0)
    without = given_files(run, engrave.STAGE)
    assert list(without) == ["constitution"]
    seen = []
    for content in (b"a", b"b", b"a"):
        rows.write_bytes(content)
        seen.append(given_files(with_rows(run, str(rows)), engrave.STAGE))
    assert seen[0] == seen[2] != seen[1]
    assert without.items() < seen[0].items()
    assert list(given_files(with_rows(run, str(rows)), distill.STAGE)) == ["constitution"]
    # A key of the store is as good as a file.
    run.store.put("mine/rows.jsonl", b"a")
    assert given_files(with_rows(run, "mine/rows.jsonl"), engrave.STAGE) == seen[0]


def test_a_missing_file_is_named(make_run: MakeRun) -> None:
    with pytest.raises(ConfigError, match=r"engrave\.data\.extra_rows: there is no file none"):
        given_files(with_rows(make_run(prompts=0), "none"), engrave.STAGE)
