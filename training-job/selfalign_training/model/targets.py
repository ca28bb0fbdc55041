"""Whether the adapter's targets are modules of the base model, before any weight is loaded."""

from collections.abc import Sequence
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from selfalign.errors import ConfigError, ModelError


def check_targets(base_model: str, targets: Sequence[str]) -> None:
    """Builds the model without memory for its weights and looks each target up.

    Raises:
        ConfigError: a target is the name of no module; the message lists those that there are.
        ModelError: the model's configuration describes no causal language model.
    """
    try:
        with torch.device("meta"):
            auto: Any = AutoModelForCausalLM
            model = auto.from_config(AutoConfig.from_pretrained(base_model))
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise ModelError(
            f"base_model: {base_model} is no causal language model that transformers knows: {error}"
        ) from error
    names = [name for name, _ in model.named_modules()]
    for target in targets:
        if not any(name == target or name.endswith(f".{target}") for name in names):
            linear = {
                name.rsplit(".", 1)[-1]
                for name, module in model.named_modules()
                if isinstance(module, torch.nn.Linear)
            }
            raise ConfigError(
                f"lora.targets: {target!r} matches no module of {base_model}; expected some of "
                f"{', '.join(sorted(linear))}"
            )
