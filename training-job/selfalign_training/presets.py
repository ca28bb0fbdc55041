"""Published and small hyper-parameters; fields that the file names itself override them."""

from typing import Any

from selfalign_training.config import Preset

# Paper, appendix D: stage 3, LLaMA-65B base on 48 V100s.
PAPER: dict[str, Any] = {
    "lora": {
        "r": 16,
        "alpha": 16,
        "dropout": 0.05,
        "targets": ["q_proj", "k_proj", "v_proj", "o_proj"],
    },
    "learning_rate": 4e-4,
    "epochs": 1,
    "warmup_steps": 100,
    "scheduler": "warmup_decay",
    "global_batch_size": 768,
    "micro_batch_size": 16,
    "max_length": 512,
    "dtype": "fp16",
    "zero_stage": 3,
    "gradient_checkpointing": True,
    "save_steps": 50,
}

# Stage 4: the same on longer sequences and 96 V100s.
PAPER_DISTILL: dict[str, Any] = PAPER | {"micro_batch_size": 8, "max_length": 768}

# A 135M model on a few dozen rows and two CPU ranks: about a minute.
SMALL: dict[str, Any] = {
    "learning_rate": 1e-3,
    "epochs": 3,
    "warmup_steps": 2,
    "scheduler": "linear",
    "global_batch_size": 8,
    "micro_batch_size": 4,
    "max_length": 512,
    "dtype": "bf16",
    "zero_stage": 2,
    "save_steps": 10,
    # Three bits more than bf16 has: merged weights then write what base model and adapter write.
    "output": {"dtype": "fp16"},
}
# What a preset fills key by key, where the file names a part of it.
SECTIONS = ("lora", "output")

PRESETS: dict[Preset, dict[str, Any]] = {
    "paper": PAPER,
    "paper-distill": PAPER_DISTILL,
    "small": SMALL,
}


def apply_preset(values: dict[str, Any]) -> dict[str, Any]:
    """The file's values over its preset's; sections are merged key by key.

    An unknown preset is left for the configuration's own check to refuse.
    """
    name = values.get("preset")
    preset = PRESETS.get(name, {}) if isinstance(name, str) else {}  # type: ignore[call-overload]
    merged = {**preset, **values}
    for section in SECTIONS:
        if isinstance(values.get(section), dict):
            merged[section] = {**preset.get(section, {}), **values[section]}
    if values.get("deepspeed_config") and "zero_stage" not in values:
        merged.pop("zero_stage", None)
    return merged
