"""Configuration files: presets, and the message for each way to be wrong."""

import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from selfalign.errors import ConfigError, ModelError
from selfalign_training.__main__ import main
from selfalign_training.configuration.batch_plan import plan_batches
from selfalign_training.configuration.reading import load_config

REPOSITORY = Path(__file__).parents[4]
EXAMPLES = sorted((REPOSITORY / "training-job" / "configs").glob("*.yaml"))

# key set (dotted; None removes it), value, part of the message
BAD: list[tuple[str, Any, str]] = [
    ("learning_rat", 1e-3, "learning_rat: unknown key"),
    ("lora.rank", 8, "lora.rank: unknown key"),
    ("data.stage_prefix", None, "data.stage_prefix: missing"),
    ("base_model", None, "base_model: missing"),
    (
        "preset",
        "tiny",
        "'paper', 'paper-distill', 'small' or 'small-all-linear' (got 'tiny')",
    ),
    ("preset", None, "learning_rate: missing; give it, or name a preset"),
    ("learning_rate", 0, "learning_rate: Input should be greater than 0 (got 0)"),
    ("learning_rate", "fast", "learning_rate: Input should be a valid number"),
    ("epochs", 0, "epochs: Input should be greater than or equal to 1 (got 0)"),
    ("lora.dropout", 1.0, "lora.dropout: Input should be less than 1"),
    ("lora.targets", [], "lora.targets: is empty; expected at least one"),
    ("dtype", "int8", "dtype: Input should be 'auto', 'bf16', 'fp16' or 'fp32' (got 'int8')"),
    ("zero_stage", 4, "zero_stage: Input should be less than or equal to 3 (got 4)"),
    ("scheduler", "step", "scheduler: Input should be 'warmup_decay', 'linear'"),
    ("packing", "maybe", "packing.bool"),
    ("method", "dora", "method: Input should be 'lora', 'qlora' or 'full' (got 'dora')"),
    ("liger", "yes please", "liger.bool"),
    ("data.extra_rows", "", "data.extra_rows: is empty; write a text"),
    ("layout.end_marker", None, "layout: end_marker missing; give them, or set chat_template"),
    ("layout.meta_prompts", [], "layout.meta_prompts: is empty; expected at least one"),
    ("layout.end_marker", "", "layout.end_marker: is empty; write a text"),
    ("global_batch_size", 10, "global_batch_size 10 is not a multiple of micro_batch_size 4"),
    ("output.prefix", "demo/align", "output.prefix 'demo/align' is the data's own stage"),
    ("output.prefix", "/demo", "output.prefix: String should match pattern"),
    ("metrics_port", 70000, "metrics_port: Input should be less than or equal to 65535"),
]


def changed(values: dict[str, Any], dotted: str, value: Any) -> dict[str, Any]:
    values = json.loads(json.dumps(values))
    *parents, last = dotted.split(".")
    section = values
    for name in parents:
        section = section.setdefault(name, {})
    if value is None:
        section.pop(last, None)
    else:
        section[last] = value
    return values


def write(path: Path, values: dict[str, Any]) -> Path:
    path.write_text(yaml.safe_dump(values))
    return path


@pytest.mark.parametrize(("dotted", "value", "message"), BAD)
def test_a_wrong_field_is_named(
    config_file: Path, values: dict[str, Any], dotted: str, value: Any, message: str
) -> None:
    write(config_file, changed(values, dotted, value))
    with pytest.raises(ConfigError) as caught:
        load_config(config_file)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{config_file}: ")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty; expected a mapping of settings"),
        (b"- a\n", "expected a mapping of settings, found list"),
        (b"a: [1\n", "not valid YAML"),
        (b"a: \xff\n", "not UTF-8 text (byte 3 is 0xff)"),
    ],
)
def test_an_unreadable_file_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert message in str(caught.value)
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load_config(tmp_path / "other.yaml")


@pytest.mark.parametrize(
    ("preset", "ranks", "max_length"), [("paper", 48, 512), ("paper-distill", 96, 768)]
)
def test_the_paper_presets_hold_the_published_values(
    config_file: Path, values: dict[str, Any], preset: str, ranks: int, max_length: int
) -> None:
    config = load_config(write(config_file, changed(values, "preset", preset)))
    assert config.lora.model_dump() == {
        "r": 16,
        "alpha": 16,
        "dropout": 0.05,
        "targets": ("q_proj", "k_proj", "v_proj", "o_proj"),
    }
    assert (config.learning_rate, config.epochs, config.warmup_steps) == (4e-4, 1, 100)
    # As published, 768 sequences a step without accumulation.
    plan = plan_batches(config.global_batch_size, config.micro_batch_size, ranks)
    assert (plan.global_batch_size, plan.accumulation) == (768, 1)
    assert (config.max_length, config.dtype, config.zero_stage) == (max_length, "fp16", 3)
    assert config.method == "lora"
    assert (config.scheduler, config.save_steps) == ("warmup_decay", 50)
    assert config.gradient_checkpointing
    assert config.weight_decay == 0


def test_a_preset_fills_the_rest_of_a_section(config_file: Path, values: dict[str, Any]) -> None:
    values |= {"preset": "small", "output": {"store": "runs", "prefix": "one/engrave"}}
    assert load_config(write(config_file, values)).output.dtype == "fp16"
    values["output"] |= {"dtype": "fp32"}
    assert load_config(write(config_file, values)).output.dtype == "fp32"


def test_the_file_overrides_its_preset(config_file: Path, values: dict[str, Any]) -> None:
    values |= {"preset": "paper", "max_length": 768, "lora": {"r": 4}, "learning_rate": "2e-4"}
    config = load_config(write(config_file, values))
    assert (config.max_length, config.learning_rate) == (768, 2e-4)
    assert (config.lora.r, config.lora.dropout) == (4, 0.05)


@pytest.mark.parametrize("name", ["missing/folder/of/weights", "./model", "a b"])
def test_a_base_model_that_cannot_be_is_refused(
    config_file: Path, values: dict[str, Any], name: str
) -> None:
    write(config_file, changed(values, "base_model", name))
    with pytest.raises(ModelError, match="base_model: there is no folder"):
        load_config(config_file)


def test_a_hub_id_is_taken_and_an_empty_folder_is_not(
    config_file: Path, values: dict[str, Any], tmp_path: Path
) -> None:
    load_config(write(config_file, changed(values, "base_model", "owner/model-7b")))
    with pytest.raises(ModelError, match=r"holds no config\.json"):
        load_config(write(config_file, changed(values, "base_model", str(tmp_path))))


def test_a_deepspeed_file_replaces_the_presets_stage(
    config_file: Path, values: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "ds.json"
    path.write_text('{"zero_optimization": {"stage": 3}}')
    values["deepspeed_config"] = str(path)
    assert load_config(write(config_file, values)).deepspeed_config == path
    with pytest.raises(ConfigError, match="zero_stage and deepspeed_config exclude each other"):
        load_config(write(config_file, values | {"zero_stage": 1}))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_shipped_configurations_are_valid(
    path: Path, tmp_path: Path, base_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(REPOSITORY)
    values = yaml.safe_load(path.read_text()) | {"base_model": str(base_model)}
    load_config(write(tmp_path / path.name, values))


def test_check_exits_with_the_errors_code(
    config_file: Path, values: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(config_file)]) == 0
    assert main(["check", str(config_file), "3"]) == 64
    assert "8 / (micro_batch_size 4 x 3 ranks)" in capsys.readouterr().err
    write(config_file, changed(values, "epochs", 0))
    assert main(["check", str(config_file)]) == 64
    assert "epochs" in capsys.readouterr().err
    write(config_file, changed(values, "base_model", "./gone"))
    assert main(["check", str(config_file)]) == 66
    assert main([]) == main(["--log"]) == main(["launch"]) == 2


def test_check_loads_neither_torch_nor_pyarrow(config_file: Path) -> None:
    code = (
        "import sys; from selfalign_training.__main__ import main;"
        f"assert main(['check', {str(config_file)!r}]) == 0;"
        "print(sorted({'torch', 'pyarrow', 'transformers'} & set(sys.modules)))"
    )
    began = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Half a second of computing; a busy machine makes it dearer.
    assert ended.ru_utime + ended.ru_stime - began.ru_utime - began.ru_stime < 4
