"""The registers are whole: a stage, service or executor that is added by half fails here."""

import importlib
import pkgutil
import re
from pathlib import Path
from typing import get_args

import pytest
import yaml
from pydantic import BaseModel

from selfalign.errors import ConfigError
from selfalign.pipeline import stages
from selfalign.pipeline.executors.register import EXECUTORS
from selfalign.pipeline.run.config import ExecutorKind, RunConfig
from selfalign.pipeline.services.register import SERVICES
from selfalign.pipeline.stages import evaluate, prompts
from selfalign.pipeline.stages.kinds.answer_stage import AnswerStage
from selfalign.pipeline.stages.kinds.generation_stage import GenerationStage
from selfalign.pipeline.stages.kinds.stage import Stage
from selfalign.pipeline.stages.kinds.table_stage import TableStage
from selfalign.pipeline.stages.register import NAMES, STAGES, TABLES, TRAININGS, find_stage
from selfalign.roles import MODEL_ROLES, SERVICE_NAMES
from selfalign.v1 import principle_engine_pb2, prompt_synthesizer_pb2, refiner_pb2

ROOT = Path(__file__).resolve().parents[3]
by_name = pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)


def resolves(dotted: str) -> bool:
    """Whether the run's configuration has such a setting."""
    model: type[BaseModel] = RunConfig
    for name in dotted.split("."):
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            return False
        if name not in model.model_fields:
            return False
        model = model.model_fields[name].annotation  # type: ignore[assignment]
    return True


def is_section(name: str) -> bool:
    """Whether the run's setting is a group of settings."""
    kind = RunConfig.model_fields[name].annotation
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def test_every_file_with_a_stage_is_registered() -> None:
    modules = [
        importlib.import_module(f"{stages.__name__}.{module.name}")
        for module in pkgutil.iter_modules(stages.__path__)
    ]
    found = [module.STAGE for module in modules if hasattr(module, "STAGE")]
    assert {stage.name for stage in found} == set(NAMES)
    assert len(found) == len(STAGES)


def test_names_are_folders_labels_and_unique() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert all(re.fullmatch(r"[a-z]{1,20}", name) for name in NAMES)


@by_name
def test_what_a_stage_reads_comes_before_it(stage: Stage) -> None:
    before = NAMES[: NAMES.index(stage.name)]
    assert {*stage.after, *stage.after_if_done} <= set(before)


@by_name
def test_what_a_stage_depends_on_are_settings(stage: Stage) -> None:
    assert stage.settings
    unknown = [
        name for name in (*stage.settings, *stage.files, *stage.own_files) if not resolves(name)
    ]
    assert unknown == []
    assert resolves("evaluate.held_out")
    assert not resolves("evaluate.held_outs")


@pytest.mark.parametrize("stage", TABLES, ids=lambda stage: stage.name)
def test_tables_are_of_a_kind_that_workers_do(stage: Stage) -> None:
    assert isinstance(stage, GenerationStage | AnswerStage)
    assert stage.service in SERVICES
    assert stage.model is None or stage.model.name in stage.after


@pytest.mark.parametrize("stage", TABLES, ids=lambda stage: stage.name)
def test_tables_depend_on_what_their_service_reads(stage: TableStage) -> None:
    """The engine is left out: it may be another one when a run is resumed."""
    sections = {name for name in RunConfig.model_fields if is_section(name)}
    read = set(SERVICES[stage.service].settings) - {"engine"}
    assert read & sections <= set(stage.settings)
    same_service = [table for table in TABLES if table.service == stage.service]
    assert read - sections <= {name for table in same_service for name in table.files}
    if isinstance(stage, AnswerStage):
        assert prompts.STAGE.name in stage.after, "whose rows it answers"


def test_the_evaluation_depends_on_every_model() -> None:
    stage = evaluate.STAGE
    assert {each.name for each in TRAININGS} <= {*stage.after, *stage.after_if_done}
    assert TRAININGS[0].name in stage.after, "a run that ends early has its first model"


def test_trainings_have_rows_settings_and_a_role_of_their_own() -> None:
    tables = {table.name for table in TABLES}
    for stage in TRAININGS:
        assert stage.rows_of in tables
        assert stage.rows_of in stage.after
        assert resolves(stage.name), "the user's section of the training job's settings"
    made = [stage.makes for stage in TRAININGS]
    assert [role for role in MODEL_ROLES if role != "base"] == made


def test_unknown_stages_are_named_with_the_known_ones() -> None:
    assert find_stage("align", "--until").name == "align"
    with pytest.raises(ConfigError, match=r"--until: 'alin' is no stage; .*topics, .*evaluate"):
        find_stage("alin", "--until")


def test_services_and_executors() -> None:
    assert set(SERVICES) == set(SERVICE_NAMES)
    assert set(EXECUTORS) == set(get_args(ExecutorKind))
    protos = {
        service.full_name
        for module in (prompt_synthesizer_pb2, principle_engine_pb2, refiner_pb2)
        for service in module.DESCRIPTOR.services_by_name.values()
    }
    assert {service.full_name for service in SERVICES.values()} == protos
    for service in SERVICES.values():
        assert all(resolves(name) for name in service.settings)


def test_the_alert_on_slow_stages_knows_the_stages_with_rows() -> None:
    rules = yaml.safe_load((ROOT / "charts/selfalign/rules/alerts.yaml").read_text())
    expressions = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    listed = [match[1] for text in expressions for match in re.finditer(r'stage=~"([^"]+)"', text)]
    assert listed == ["|".join(stage.name for stage in TABLES)]
