"""Number format of weights and activations."""

import torch
from torch import cpu

DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}


def number_format(name: str) -> torch.dtype:
    """`bf16` or `fp32`; for `auto` the one that this processor is faster in."""
    if name == "auto":
        name = "bf16" if computes_bf16() else "fp32"
    return DTYPES[name]


def computes_bf16() -> bool:
    """Whether the processor has instructions for products of bf16 matrices.

    PyTorch's own check of bf16 (`_is_mkldnn_bf16_supported`) says yes on processors that imitate
    them too, with AVX-512 alone.
    """
    return cpu._is_avx512_bf16_supported() or cpu._is_amx_tile_supported()
