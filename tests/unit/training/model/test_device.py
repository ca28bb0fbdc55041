"""What needs CUDA is refused without it, before anything is loaded."""

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

import selfalign_training.model.device as device
from selfalign.errors import ConfigError
from selfalign_training.configuration.precision import with_precision
from selfalign_training.configuration.reading import load_config
from selfalign_training.trainer.run_job import run_job


@pytest.mark.parametrize(
    ("settings", "cuda", "packages", "message"),
    [
        ({"method": "qlora"}, False, [], "method: qlora needs a CUDA device and there is none"),
        ({"method": "qlora"}, True, [], "needs the package bitsandbytes, which is not installed"),
        ({"method": "qlora"}, True, ["bitsandbytes"], None),
        ({"liger": True}, False, ["liger_kernel"], "liger: true needs a CUDA device"),
        ({"liger": True}, True, [], "liger: true needs the package liger-kernel, which is not"),
        ({"liger": True}, True, ["liger_kernel"], None),
        ({"liger": "auto"}, False, [], None),
        ({"dtype": "fp16"}, False, [], "dtype: fp16 needs a CUDA device .* set dtype: bf16 or"),
        ({"dtype": "fp16"}, True, [], None),
        ({"method": "full"}, False, [], None),
    ],
)
def test_what_is_missing_is_named(
    config_file: Path,
    values: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, Any],
    cuda: bool,
    packages: list[str],
    message: str | None,
) -> None:
    config_file.write_text(yaml.safe_dump(values | settings))
    monkeypatch.setattr(device, "_has_cuda", lambda: cuda)
    monkeypatch.setattr(device, "find_spec", lambda name: name if name in packages else None)
    config = load_config(config_file)
    if message is None:
        device.check_device(config)
        return
    with pytest.raises(ConfigError, match=message):
        device.check_device(config)
    # The stores do not exist: nothing but the configuration has been looked at.
    with pytest.raises(ConfigError, match=message):
        run_job(config)


def test_qlora_computes_in_bf16(config_file: Path, values: dict[str, Any]) -> None:
    config_file.write_text(yaml.safe_dump(values | {"method": "qlora", "dtype": "fp32"}))
    with pytest.raises(ConfigError, match="method: qlora computes in bf16; dtype is 'fp32'"):
        load_config(config_file)


@pytest.mark.parametrize(
    ("given", "cuda", "gpu_bf16", "cpu_bf16", "expected"),
    [
        ("auto", True, True, False, "bf16"),
        ("auto", True, False, True, "fp16"),
        ("auto", False, False, True, "bf16"),
        ("auto", False, False, False, "fp32"),
        ("bf16", False, False, False, "bf16"),
        ("fp32", True, True, True, "fp32"),
    ],
)
def test_auto_is_the_format_that_the_machine_computes_in(
    config_file: Path,
    values: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    given: str,
    cuda: bool,
    gpu_bf16: bool,
    cpu_bf16: bool,
    expected: str,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: gpu_bf16)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: cpu_bf16)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    config_file.write_text(yaml.safe_dump(values | {"dtype": given}))
    config = with_precision(load_config(config_file))
    assert config.dtype == expected
    assert with_precision(config) == config
