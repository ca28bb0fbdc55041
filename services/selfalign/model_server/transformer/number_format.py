"""Number format of weights and activations."""

import torch

from selfalign.processor import computes_bf16

DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}


def number_format(name: str) -> torch.dtype:
    """`bf16` or `fp32`; for `auto` the one that this processor is faster in."""
    if name == "auto":
        name = "bf16" if computes_bf16() else "fp32"
    return DTYPES[name]
