"""Reading a configuration file: presets filled in, each error with file, field and remedy."""

import json
import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from selfalign.errors import ConfigError, ModelError
from selfalign_training.config import TrainingConfig
from selfalign_training.presets import apply_preset

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
# DeepSpeed ignores keys that it does not know; a misspelt one would go unnoticed.
KNOWN_TO_DEEPSPEED = """
    activation_checkpointing aio amp autotuning bf16 bfloat16 checkpoint comms_logger
    communication_data_type compile compression_training csv_monitor curriculum_learning
    data_efficiency data_types disable_allgather dump_state elasticity flops_profiler fp16
    gradient_accumulation_steps gradient_clipping gradient_predivide_factor
    memory_breakdown monitor_config optimizer prescale_gradients
    progressive_layer_drop scheduler seq_parallel_communication_data_type sparse_gradients
    steps_per_print tensorboard tensor_parallel timers torch_autocast train_batch_size
    train_micro_batch_size_per_gpu use_data_before_expert_parallelism
    use_node_local_storage wall_clock_breakdown wandb zero_allow_untested_optimizer
    zero_force_ds_cpu_optimizer zero_optimization
"""
DEEPSPEED_KEYS = frozenset(KNOWN_TO_DEEPSPEED.split())
OURS = ("train_batch_size", "train_micro_batch_size_per_gpu", "gradient_accumulation_steps")


def load_config(path: Path) -> TrainingConfig:
    """Reads and checks `path`, the DeepSpeed file that it names included.

    Raises:
        ConfigError: naming the file, the field, the value and what is expected.
        ModelError: `base_model` looks like a folder, and there is none.
    """
    values = _read_mapping(path)
    try:
        config = TrainingConfig.model_validate(apply_preset(values))
    except ValidationError as error:
        raise ConfigError(_describe(error, path)) from error
    check_base_model(config.base_model)
    if config.deepspeed_config is not None:
        read_deepspeed_file(config.deepspeed_config)
    return config


def check_base_model(name: str) -> None:
    """Raises ModelError where `name` is neither a model folder nor a possible hub id."""
    folder = Path(name)
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise ModelError(
                f"base_model: {name} holds no config.json; expected a folder as transformers' "
                "save_pretrained writes it"
            )
    elif not HUB_ID.fullmatch(name):
        raise ModelError(
            f"base_model: there is no folder {name}; name a folder of safetensors, or a hub id "
            "such as owner/model"
        )


def read_deepspeed_file(path: Path) -> dict[str, Any]:
    """A DeepSpeed configuration whose batch sizes are left to us. Raises ConfigError."""
    place = f"deepspeed_config: {path}"
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{place}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{place}: not valid JSON: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{place}: expected a JSON object, found {type(values).__name__}")
    if unknown := sorted(set(values) - DEEPSPEED_KEYS):
        raise ConfigError(f"{place}: unknown DeepSpeed key {', '.join(unknown)}; correct or remove")
    for key in OURS:
        if values.get(key, "auto") != "auto":
            raise ConfigError(
                f'{place}: {key} is {values[key]!r}; expected "auto": batch sizes follow from '
                "global_batch_size and micro_batch_size"
            )
    zero = values.get("zero_optimization", {})
    stage = zero.get("stage", 0) if isinstance(zero, dict) else None
    if stage not in (0, 1, 2, 3):
        raise ConfigError(f"{place}: zero_optimization.stage is {stage!r}; expected 0, 1, 2 or 3")
    return values


def _read_mapping(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8"
        ) from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {error}") from error
    if not isinstance(values, dict):
        kind = "nothing" if values is None else type(values).__name__
        raise ConfigError(f"{path}: expected a mapping of settings, found {kind}")
    return values


def _describe(error: ValidationError, path: Path) -> str:
    """pydantic's findings in one line: field, what is expected, the value found."""
    findings = []
    for finding in error.errors(include_url=False):
        place = ".".join(str(part) for part in finding["loc"])
        match finding["type"]:
            case "extra_forbidden":
                findings.append(f"{place}: unknown key; correct or remove it")
            case "missing":
                remedy = "" if "." in place else "; give it, or name a preset that does"
                findings.append(f"{place}: missing{remedy}")
            case "value_error" if not place:
                findings.append(finding["msg"].removeprefix("Value error, "))
            case _:
                findings.append(f"{place}: {finding['msg']} (got {finding['input']!r:.200})")
    return f"{path}: " + "; ".join(findings)
