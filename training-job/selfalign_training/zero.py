"""The DeepSpeed configuration that a training configuration asks for."""

from typing import Any

from selfalign_training.config import TrainingConfig
from selfalign_training.deepspeed_file import read_deepspeed_file

AUTO = "auto"


def deepspeed_settings(config: TrainingConfig, *, cuda: bool) -> dict[str, Any]:
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


def zero_section(stage: int, *, cuda: bool) -> dict[str, Any]:
    """ZeRO without offload; overlapping communication needs streams, which CPUs lack."""
    section: dict[str, Any] = {"stage": stage, "overlap_comm": cuda, "contiguous_gradients": True}
    if stage == 3:
        section |= {
            "reduce_bucket_size": AUTO,
            "stage3_prefetch_bucket_size": AUTO,
            "stage3_param_persistence_threshold": AUTO,
            "stage3_gather_16bit_weights_on_model_save": True,
        }
    return section


def zero_stage(settings: dict[str, Any]) -> int:
    """The stage that the settings name; 0 where they name none."""
    stage = settings.get("zero_optimization", {}).get("stage", 0)
    assert isinstance(stage, int)
    return stage


def warmup_decay() -> dict[str, Any]:
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
