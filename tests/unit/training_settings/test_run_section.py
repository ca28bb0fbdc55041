"""The sections `engrave` and `distill`: checked, and written out as they were given."""

import json
from typing import Any

import pytest
import yaml

from selfalign.errors import ConfigError
from selfalign.pipeline.run.config import RunConfig
from selfalign.pipeline.run.run import dump_config, method_settings
from selfalign.pipeline.run.run_file import parse_run_config
from selfalign.settings.documents import validate
from selfalign.training_settings.run_section import SET_BY_THE_PIPELINE, TrainingSection

# As version 0.1 wrote it, shortened to what the profile does not fill in.
STORED = """\
name: one
store: runs
profile: small
seed: 42
model:
  base: owner/model
engrave:
  preset: small
  learning_rate: 2e-4
  lora:
    r: 4
    targets:
    - q_proj
  weight_decay: 0
  report_to:
  - tensorboard
  packing: auto
  metrics_port: null
distill:
  preset: small
  max_length: 768
"""
# What the stages' fingerprints of version 0.1 hold of these sections, as their manifests have it.
FINGERPRINTS: dict[str, Any] = {
    "engrave": json.loads(
        '{"preset": "small", "learning_rate": "2e-4", "lora": {"r": 4, "targets": ["q_proj"]},'
        ' "weight_decay": 0, "report_to": ["tensorboard"], "packing": "auto",'
        ' "metrics_port": null}'
    ),
    "distill": {"preset": "small", "max_length": 768},
}


def test_a_stored_run_has_the_fingerprints_of_the_version_before() -> None:
    config = parse_run_config(STORED, "run.yaml")
    settings = method_settings(config)
    for stage, expected in FINGERPRINTS.items():
        assert json.dumps(settings[stage]) == json.dumps(expected)
    assert config.engrave.learning_rate == 2e-4


def test_a_stored_run_is_written_as_the_version_before_did() -> None:
    config = parse_run_config(STORED, "run.yaml")
    for executor in (True, False):
        text = dump_config(config, executor=executor)
        values = yaml.safe_load(text)
        assert {stage: values[stage] for stage in FINGERPRINTS} == FINGERPRINTS
        assert parse_run_config(text, "run.yaml").engrave == config.engrave
    empty = parse_run_config(STORED.split("engrave:")[0].replace("small", "paper"), "run.yaml")
    assert method_settings(empty)["engrave"] == {}


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"learning_rat": 1e-4}, "engrave.learning_rat: unknown key"),
        ({"lora": {"rank": 4}}, "engrave.lora.rank: unknown key"),
        ({"learning_rate": 2}, "engrave.learning_rate: Input should be less than 1 (got 2)"),
        (
            {"preset": "huge"},
            "engrave.preset: Input should be 'paper', 'paper-distill', 'small' or",
        ),
        ({"max_length": 4}, "engrave.max_length: Input should be greater than or equal to 8"),
        (
            {"global_batch_size": 10, "micro_batch_size": 4},
            "engrave: global_batch_size 10 is not a multiple of micro_batch_size 4",
        ),
        (
            {"deepspeed_config": "ds.json", "zero_stage": 2},
            "engrave: zero_stage and deepspeed_config exclude each other",
        ),
        *(
            ({name: {}}, f"engrave: {name} are set by the pipeline; remove them here")
            for name in SET_BY_THE_PIPELINE
        ),
        ({"data": {"store": "s"}}, "engrave.data.store: unknown key"),
        ({"data": {"extra_rows": ""}}, "engrave.data.extra_rows: is empty; write a text"),
        ([1], "engrave: Input should be a valid dictionary"),
    ],
)
def test_a_wrong_section_is_refused_with_its_place(section: object, message: str) -> None:
    values = {"name": "one", "store": "runs", "model": {"base": "m"}, "engrave": section}
    with pytest.raises(ConfigError) as caught:
        validate(RunConfig, values, "run.yaml")
    assert str(caught.value).startswith(f"run.yaml: {message}")


def test_a_section_of_python_values_is_written_as_json() -> None:
    section = TrainingSection(preset="small", max_length=768)
    assert section.given == {"preset": "small", "max_length": 768}
    assert section.model_dump(mode="json") == section.given
    schema = RunConfig.model_json_schema()["$defs"]["TrainingSection"]
    assert schema["additionalProperties"] is False
