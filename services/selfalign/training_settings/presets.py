"""Published and small hyper-parameters; what is given besides a preset overrides it."""

from collections.abc import Mapping

from pydantic import JsonValue

from selfalign.training_settings.hyperparameters import (
    Dtype,
    Hyperparameters,
    LoraSettings,
)

# Paper, appendix D: stage 3, LLaMA-65B base on 48 V100s.
PAPER = Hyperparameters(
    lora=LoraSettings(
        r=16, alpha=16, dropout=0.05, targets=("q_proj", "k_proj", "v_proj", "o_proj")
    ),
    learning_rate=4e-4,
    epochs=1,
    warmup_steps=100,
    scheduler="warmup_decay",
    global_batch_size=768,
    micro_batch_size=16,
    max_length=512,
    dtype="fp16",
    zero_stage=3,
    gradient_checkpointing=True,
    save_steps=50,
)

# Stage 4: the same on longer sequences and 96 V100s.
PAPER_DISTILL = PAPER.model_copy(update={"micro_batch_size": 8, "max_length": 768})

# A 135M model on a few dozen rows and two CPU ranks: about a minute.
SMALL = Hyperparameters(
    learning_rate=1e-3,
    epochs=3,
    warmup_steps=2,
    scheduler="linear",
    global_batch_size=8,
    micro_batch_size=4,
    max_length=512,
    dtype="auto",
    zero_stage=2,
    save_steps=10,
)

# With adapters on attention alone it learns less of when to decline: trained on the same 735 rows
# for two epochs, 5 of 16 unseen harmful requests against 9 (and 6 of 24 look-alikes against 7).
SMALL_ALL_LINEAR = SMALL.model_copy(
    update={
        "lora": LoraSettings(
            r=16,
            alpha=32,
            targets=(
                *("q_proj", "k_proj", "v_proj", "o_proj"),
                *("gate_proj", "up_proj", "down_proj"),
            ),
        ),
        "learning_rate": 5e-4,
    }
)

PRESETS: Mapping[str, Hyperparameters] = {
    "paper": PAPER,
    "paper-distill": PAPER_DISTILL,
    "small": SMALL,
    "small-all-linear": SMALL_ALL_LINEAR,
}

MERGED_DTYPES: Mapping[str, Dtype] = {"small": "fp16", "small-all-linear": "fp16"}
"""Of the merged weights, where it is not bf16: fp16 has three bits more, so that merged weights of
a small model write what base model and adapter write."""


def apply_preset(values: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """A training job's values over its preset's; `lora` and `output` are merged key by key.

    An unknown preset is left for the settings' own check to refuse.
    """
    name = values.get("preset")
    if not isinstance(name, str) or name not in PRESETS:
        return values
    preset = PRESETS[name].model_dump(mode="json", exclude_unset=True)
    if name in MERGED_DTYPES:
        preset["output"] = {"dtype": MERGED_DTYPES[name]}
    if values.get("deepspeed_config"):
        # The DeepSpeed file names the stage; one that the user gives besides is refused.
        preset.pop("zero_stage", None)
    merged = preset | values
    for section in ("lora", "output"):
        given = values.get(section)
        if isinstance(given, dict):
            merged[section] = preset.get(section, {}) | given
    return merged
