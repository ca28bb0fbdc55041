"""Number format of weights and activations."""

import torch

from selfalign.processor import faster_format

DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}


def number_format(name: str) -> torch.dtype:
    """`bf16` or `fp32`; for `auto` the one that this processor is faster in."""
    return DTYPES[faster_format() if name == "auto" else name]
