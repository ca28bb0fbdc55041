"""The gradient's norm where DeepSpeed computes none."""

from typing import Any

import torch


def report_grad_norm(engine: Any) -> None:  # noqa: ANN401
    """Has a DeepSpeed engine tell the norm before clipping, like ZeRO and 16-bit optimizers do.

    In fp32 without ZeRO the engine steps PyTorch's optimizer itself and get_global_grad_norm()
    gives None. The norm is then taken where gradients are reduced and not yet clipped.
    """
    if hasattr(engine.optimizer, "_global_grad_norm"):
        return
    take_step = engine._take_model_step

    def measured(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401
        gradients = [item.grad for item in engine.module.parameters() if item.grad is not None]
        engine._global_grad_norm = torch.nn.utils.get_total_norm(gradients)
        return take_step(*arguments, **options)

    engine._take_model_step = measured
