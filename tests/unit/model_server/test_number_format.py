"""The number format follows the processor, unless it is given."""

import pytest
import torch

from selfalign.model_server.transformer.number_format import number_format


@pytest.mark.parametrize(
    ("name", "avx512_bf16", "amx", "expected"),
    [
        ("auto", False, False, torch.float32),
        ("auto", True, False, torch.bfloat16),
        ("auto", False, True, torch.bfloat16),
        ("bf16", False, False, torch.bfloat16),
        ("fp32", True, True, torch.float32),
    ],
)
def test_auto_is_the_format_that_the_processor_computes_in(
    name: str, avx512_bf16: bool, amx: bool, expected: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512_bf16)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    assert number_format(name) is expected


def test_an_unknown_format_is_an_error() -> None:
    with pytest.raises(KeyError):
        number_format("int8")
