"""The base model and its tokenizer, loaded with errors that name the remedy."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from peft import LoraConfig
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from selfalign.errors import ConfigError, ModelError
from selfalign_training.configuration.training_config import TrainingConfig
from selfalign_training.data.tokenizer import Tokenizer
from selfalign_training.launch.exit_codes import peer_lost

DTYPES: Mapping[str, torch.dtype] = {
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
    "fp32": torch.float32,
}
# A hub model's safetensors and what belongs to them, not the same weights in other formats.
BASE_FILES = ("*.json", "*.safetensors", "*.model", "*.jinja", "*.txt")
# What transformers and safetensors raise for missing, torn or foreign files.
LOAD_ERRORS = (OSError, ValueError, KeyError, RuntimeError, SafetensorError)


def load_tokenizer(name: str) -> Tokenizer:
    """The base model's fast tokenizer, padded on the right. Raises ModelError."""
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(name)
    except LOAD_ERRORS as error:
        raise ModelError(f"base_model: no tokenizer in {name}: {_brief(error)}") from error
    tokenizer.padding_side = "right"
    if tokenizer.pad_token is None:
        # Masked by position and attention mask, so any token will do.
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.convert_ids_to_tokens(0)
    return cast(Tokenizer, tokenizer)


def check_base(config: TrainingConfig) -> None:
    """What can be known of the base model before it is loaded.

    Raises:
        ConfigError: `max_length` exceeds its context.
        ModelError: it has no configuration, or no safetensors that could be merged later.
    """
    name = config.base_model
    try:
        base = AutoConfig.from_pretrained(name)
    except LOAD_ERRORS as error:
        raise ModelError(f"base_model: no configuration in {name}: {_brief(error)}") from error
    context = getattr(base, "max_position_embeddings", None)
    if context is not None and config.max_length > context:
        raise ConfigError(
            f"max_length {config.max_length} exceeds the context of {name}, {context} tokens; "
            "lower it"
        )
    if Path(name).is_dir() and not any(Path(name).glob("model*.safetensors")):
        raise ModelError(f"base_model: {name} holds no model*.safetensors; convert it first")


def load_model(config: TrainingConfig, attention: str) -> PreTrainedModel:
    """The base model in the training's dtype; sharded at once under ZeRO-3.

    Raises:
        ModelError: the weights are missing or unreadable.
    """
    try:
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
            config.base_model,
            dtype=DTYPES[config.dtype],
            attn_implementation=attention,
            **({"quantization_config": four_bits(config)} if config.method == "qlora" else {}),
        )
    except (*LOAD_ERRORS, ImportError) as error:
        if peer_lost(error):
            raise
        raise ModelError(f"base_model: cannot load {config.base_model}: {_brief(error)}") from error
    return model


def four_bits(config: TrainingConfig) -> BitsAndBytesConfig:
    """QLoRA's: normal floats of 4 bits, whose scales are quantized too, computed with in bf16.

    Stored in the computing dtype, so that ZeRO-3 can cut them up like other weights.
    """
    dtype = DTYPES[config.dtype]
    make: Any = BitsAndBytesConfig
    settings: BitsAndBytesConfig = make(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
        bnb_4bit_quant_storage=dtype,
    )
    return settings


def lora_settings(config: TrainingConfig) -> LoraConfig:
    """peft's configuration: no biases, as published."""
    return LoraConfig(
        r=config.lora.r,
        lora_alpha=config.lora.alpha,
        lora_dropout=config.lora.dropout,
        target_modules=list(config.lora.targets),
        bias="none",
        task_type="CAUSAL_LM",
    )


def base_folder(name: str) -> Path:
    """The folder of the base model's files; a hub model's own cache folder.

    Raises:
        ModelError: the hub does not give it.
    """
    if Path(name).is_dir():
        return Path(name)
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=list(BASE_FILES)))
    except (OSError, ValueError) as error:
        raise ModelError(f"base_model: cannot fetch {name}: {_brief(error)}") from error


def _brief(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
