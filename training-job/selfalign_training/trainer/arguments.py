"""The trainer's arguments."""

from pathlib import Path

from trl.trainer.sft_config import SFTConfig

from selfalign_training.configuration.batch_plan import BatchPlan
from selfalign_training.configuration.training_config import TrainingConfig
from selfalign_training.configuration.zero import deepspeed_settings, section
from selfalign_training.model.device import Device


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
    settings["checkpoint"] = section(settings, "checkpoint") | {"load_universal": universal}
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
        use_liger_kernel=device.liger,
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
