"""What this machine's processor computes in."""

from typing import Literal

from torch import cpu


def computes_bf16() -> bool:
    """Whether the processor has instructions for products of bf16 matrices.

    PyTorch's own check of bf16 (`_is_mkldnn_bf16_supported`) says yes on processors that imitate
    them too, with AVX-512 alone.
    """
    return cpu._is_avx512_bf16_supported() or cpu._is_amx_tile_supported()


def faster_format() -> Literal["bf16", "fp32"]:
    """The number format that this processor is faster in."""
    return "bf16" if computes_bf16() else "fp32"
