"""The DeepSpeed configuration that a training configuration asks for."""

from typing import Literal

from selfalign_training.configuration.deepspeed_file import read_deepspeed_file
from selfalign_training.configuration.json_types import JsonObject
from selfalign_training.configuration.training_config import TrainingConfig

AUTO: Literal["auto"] = "auto"


def deepspeed_settings(config: TrainingConfig, *, cuda: bool) -> JsonObject:
    """What transformers hands to DeepSpeed; "auto" is filled in from the trainer's arguments."""
    if config.deepspeed_config is not None:
        settings = read_deepspeed_file(config.deepspeed_config)
    else:
        settings = {"zero_optimization": zero_section(config.zero_stage, cuda=cuda)}
    settings |= {
        "train_batch_size": AUTO,
        "train_micro_batch_size_per_gpu": AUTO,
        "gradient_accumulation_steps": AUTO,
    }
    settings.setdefault("gradient_clipping", AUTO)
    settings.setdefault("bf16", {"enabled": AUTO})
    settings.setdefault("fp16", {"enabled": AUTO})
    settings.setdefault("zero_allow_untested_optimizer", True)
    # DeepSpeed's own CPU optimizer must be compiled first, and is for offload only.
    settings.setdefault("zero_force_ds_cpu_optimizer", False)
    if config.scheduler == "warmup_decay":
        settings.setdefault("scheduler", warmup_decay())
    return settings


def zero_section(stage: int, *, cuda: bool) -> JsonObject:
    """ZeRO without offload; overlapping communication needs streams, which CPUs lack."""
    section: JsonObject = {"stage": stage, "overlap_comm": cuda, "contiguous_gradients": True}
    if stage == 3:
        section |= {
            "reduce_bucket_size": AUTO,
            "stage3_prefetch_bucket_size": AUTO,
            "stage3_param_persistence_threshold": AUTO,
            "stage3_gather_16bit_weights_on_model_save": True,
        }
    return section


def section(settings: JsonObject, name: str) -> JsonObject:
    """A section of DeepSpeed's settings; empty where it is not there."""
    found = settings.get(name)
    return found if isinstance(found, dict) else {}


def zero_stage(settings: JsonObject) -> int:
    """The stage that the settings name; 0 where they name none."""
    stage = section(settings, "zero_optimization").get("stage", 0)
    assert isinstance(stage, int)
    return stage


def offload_device(settings: JsonObject, what: Literal["optimizer", "param"]) -> str:
    """Where ZeRO keeps the optimizer's state or the parameters: none (the GPU), cpu or nvme."""
    offload = section(section(settings, "zero_optimization"), f"offload_{what}")
    return str(offload.get("device", "none"))


def warmup_decay() -> JsonObject:
    """DeepSpeed's WarmupDecayLR as the paper uses it: logarithmic warm-up, linear to 0."""
    return {
        "type": "WarmupDecayLR",
        "params": {
            "total_num_steps": AUTO,
            "warmup_min_lr": 0,
            "warmup_max_lr": AUTO,
            "warmup_num_steps": AUTO,
            "warmup_type": "log",
        },
    }
