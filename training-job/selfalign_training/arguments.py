"""What the job computes on, and the trainer's arguments."""

from dataclasses import dataclass
from pathlib import Path

import torch
from transformers.utils.import_utils import is_flash_attn_2_available
from trl.trainer.sft_config import SFTConfig

from selfalign.errors import ConfigError
from selfalign_training.batches import BatchPlan
from selfalign_training.config import TrainingConfig
from selfalign_training.zero import deepspeed_settings


@dataclass(frozen=True, slots=True)
class Device:
    """What the job computes on."""

    cuda: bool
    varlen_attention: bool

    @property
    def attention(self) -> str:
        """transformers' name; SDPA keeps packed sequences apart by a block mask."""
        return "flash_attention_2" if self.varlen_attention else "sdpa"


def find_device(config: TrainingConfig) -> Device:
    """Looks for CUDA and variable-length attention. Raises ConfigError where they are needed."""
    cuda = torch.cuda.is_available()
    if config.dtype == "fp16" and not cuda:
        raise ConfigError(
            "dtype: fp16 needs a CUDA device and there is none; set dtype: bf16 or fp32"
        )
    half = config.dtype != "fp32"
    return Device(cuda=cuda, varlen_attention=cuda and half and bool(is_flash_attn_2_available()))


def use_packing(config: TrainingConfig, device: Device) -> bool:
    """Whether sequences share rows: on CPU a block mask is slower than padding sorted lengths."""
    return device.varlen_attention if config.packing == "auto" else config.packing


def trainer_arguments(
    config: TrainingConfig,
    plan: BatchPlan,
    device: Device,
    job: Path,
    *,
    packed: bool,
    universal: bool = False,
) -> SFTConfig:
    """TRL's arguments; the process group must be there. `universal`: the checkpoint's format."""
    settings = deepspeed_settings(config, cuda=device.cuda)
    settings["checkpoint"] = {**settings.get("checkpoint", {}), "load_universal": universal}
    return SFTConfig(
        output_dir=str(job),
        deepspeed=settings,
        use_cpu=not device.cuda,
        ddp_backend=None if device.cuda else "gloo",
        ddp_timeout=config.process_group_timeout_s,
        bf16=config.dtype == "bf16",
        fp16=config.dtype == "fp16",
        seed=config.seed,
        per_device_train_batch_size=plan.micro_batch_size,
        gradient_accumulation_steps=plan.accumulation,
        num_train_epochs=config.epochs,
        learning_rate=config.learning_rate,
        lr_scheduler_type="linear" if config.scheduler == "warmup_decay" else config.scheduler,
        warmup_steps=config.warmup_steps,
        weight_decay=config.weight_decay,
        max_grad_norm=config.max_grad_norm,
        optim="adamw_torch_fused" if device.cuda else "adamw_torch",
        gradient_checkpointing=config.gradient_checkpointing,
        save_strategy="steps",
        save_steps=config.save_steps,
        logging_strategy="steps",
        logging_steps=config.logging_steps,
        logging_nan_inf_filter=False,
        max_length=config.max_length,
        packing=packed,
        dataset_kwargs={"skip_prepare_dataset": True},
        # The columns are made when a row is read.
        remove_unused_columns=False,
        dataloader_pin_memory=device.cuda,
        disable_tqdm=True,
        report_to=list(config.report_to) or "none",
    )
