"""Packed copies change the speed of a product and nothing else."""

from dataclasses import replace

import pytest
import torch

from selfalign.model_server.transformer import weight_loading
from selfalign.model_server.transformer.causal_lm import CausalLM
from selfalign.model_server.transformer.projection import PACKED_ROWS, Projection
from support.tiny_llama import tiny_llama


@pytest.mark.parametrize("rows", [1, PACKED_ROWS - 1, PACKED_ROWS, 32, 100])
@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
def test_the_product_is_the_plain_one(
    rows: int, biased: bool, dtype: torch.dtype, tolerance: float
) -> None:
    generator = torch.Generator().manual_seed(rows)
    x, weight, bias = (
        torch.randn(shape, generator=generator).to(dtype) for shape in [(rows, 48), (80, 48), (80,)]
    )
    plain = Projection(weight, bias if biased else None)
    packed = plain.pack(32)
    assert packed.packed is not None
    with torch.inference_mode():
        torch.testing.assert_close(packed(x), plain(x), rtol=tolerance, atol=tolerance * 8)


def test_few_rows_are_multiplied_by_the_weight_itself() -> None:
    wrong = Projection(torch.zeros(8, 8)).pack(32)
    plain = replace(wrong, weight=torch.eye(8))
    for rows, expected in [(PACKED_ROWS - 1, torch.ones), (PACKED_ROWS, torch.zeros)]:
        torch.testing.assert_close(plain(torch.ones(rows, 8)), expected(rows, 8))
