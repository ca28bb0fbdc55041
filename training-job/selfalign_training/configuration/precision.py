"""`dtype: auto`: what this machine computes in."""

from selfalign.training_settings.hyperparameters import Dtype
from selfalign_training.configuration.training_config import TrainingConfig


def with_precision(config: TrainingConfig) -> TrainingConfig:
    """The configuration with `dtype: auto` replaced by what this machine computes in."""
    if config.dtype != "auto":
        return config
    return config.model_copy(update={"dtype": _best_dtype()})


def _best_dtype() -> Dtype:
    import torch

    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    from selfalign.processor import faster_format

    return faster_format()
