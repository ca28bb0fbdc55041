"""Model FLOPs utilisation: what the method needs to compute, against what the GPUs could."""

from dataclasses import dataclass

from selfalign.errors import ModelError
from selfalign_training.configuration.training_config import TrainingConfig
from selfalign_training.estimate.flops import token_flops
from selfalign_training.estimate.gpus import recognise_gpu
from selfalign_training.estimate.known import find_shape
from selfalign_training.estimate.plan import make_plan


@dataclass(frozen=True, slots=True)
class Peak:
    """FLOPs of a token, recomputation left out, and of all GPUs in a second."""

    token: float
    second: float

    def share(self, tokens_per_s: float) -> float:
        """Utilisation at so many tokens/s of all ranks."""
        return tokens_per_s * self.token / self.second


def find_peak(
    config: TrainingConfig, device_name: str | None, ranks: int, tokens_per_row: float
) -> Peak | None:
    """None on a CPU, or where the card or the model's shape is not known.

    Args:
        config: The job's.
        device_name: The driver's name of the card.
        ranks: GPUs of the job, which are taken to be alike.
        tokens_per_row: Mean length, which attention's cost depends on.
    """
    gpu = recognise_gpu(device_name) if device_name else None
    if gpu is None:
        return None
    try:
        plan = make_plan(config, find_shape(config.base_model), ranks)
    except ModelError:
        return None
    flops = token_flops(plan.shape, plan.method, plan.trainable, tokens_per_row)
    return Peak(flops.model, ranks * gpu.tflops * 1e12)
