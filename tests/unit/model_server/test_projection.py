"""Packed copies change the speed of a product and nothing else."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from selfalign.model_server.transformer import weight_loading
from selfalign.model_server.transformer.model_config import load_config
from selfalign.model_server.transformer.projection import PACKED_ROWS, Projection
from selfalign.model_server.transformer.weight_loading import load_weights
from support.tiny_llama import save_tiny_llama


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


@pytest.mark.parametrize(("limit", "packed"), [(2 << 30, True), (1000, False)])
def test_a_large_model_has_no_copies(
    limit: int, packed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_tiny_llama(tmp_path)
    monkeypatch.setattr(weight_loading, "PACKED_BYTES", limit)
    weights = load_weights(tmp_path, load_config(tmp_path), torch.float32)
    projections = [weights.head, *(one for layer in weights.layers for one in layer.projections())]
    assert [one.packed is not None for one in projections] == [packed] * 9
