"""What this machine's processor computes in."""

from torch import cpu


def computes_bf16() -> bool:
    """Whether the processor has instructions for products of bf16 matrices.

    PyTorch's own check of bf16 (`_is_mkldnn_bf16_supported`) says yes on processors that imitate
    them too, with AVX-512 alone.
    """
    return cpu._is_avx512_bf16_supported() or cpu._is_amx_tile_supported()
