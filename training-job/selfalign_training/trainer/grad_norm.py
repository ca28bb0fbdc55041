"""The gradient's norm where DeepSpeed computes none."""

from typing import Protocol

import torch


class DeepSpeedEngine(Protocol):
    """What is used of DeepSpeed's engine."""

    optimizer: object
    module: torch.nn.Module
    _global_grad_norm: torch.Tensor

    def _take_model_step(self, *arguments: object, **options: object) -> None: ...


def report_grad_norm(engine: DeepSpeedEngine) -> None:
    """Has a DeepSpeed engine tell the norm before clipping, like ZeRO and 16-bit optimizers do.

    In fp32 without ZeRO the engine steps PyTorch's optimizer itself and get_global_grad_norm()
    gives None. The norm is then taken where gradients are reduced and not yet clipped.
    """
    if hasattr(engine.optimizer, "_global_grad_norm"):
        return
    take_step = engine._take_model_step

    def measured(*arguments: object, **options: object) -> None:
        gradients = [item.grad for item in engine.module.parameters() if item.grad is not None]
        engine._global_grad_norm = torch.nn.utils.get_total_norm(gradients)
        take_step(*arguments, **options)

    engine._take_model_step = measured  # type: ignore[method-assign]
