"""The command: figures that a reader can check, bad input, and nothing heavy imported."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from selfalign.storage.manifest import Manifest, write_manifest
from selfalign.storage.open import open_store
from selfalign.storage.rows import Row, RowStatus
from selfalign.storage.tables import create_part
from selfalign_training.__main__ import main
from selfalign_training.estimate.gpus import GPUS, recognise_gpu

PAPER = Path(__file__).resolve().parents[4] / "training-job/configs/paper-engrave.yaml"
ROWS = ["--rows", "260000", "--tokens-per-row", "300"]


def run_json(capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, Any]:
    assert main(["estimate", "-c", str(PAPER), *options, "--json"]) == 0
    loaded: dict[str, Any] = json.loads(capsys.readouterr().out)
    return loaded


def test_the_papers_model_on_eight_cards(capsys: pytest.CaptureFixture[str]) -> None:
    found = run_json(capsys, *ROWS, "--gpu", "H100-80GB", "--count", "8")
    parts = {part["name"]: part["bytes"] for part in found["memory"]["parts"]}
    assert parts["base weights"] == 65_285_660_672 * 2 // 8
    assert parts["optimizer states"] == 83_886_080 * 12 // 8
    assert found["memory"]["fits"]
    time = found["time"]
    assert time["steps"] == -(-time["sequences"] // 768)
    # Forward, backward without the frozen weights' gradients, and forward again.
    assert time["flops_per_token"] == pytest.approx(6 * 65e9, rel=0.02)
    tokens = time["tokens_per_step"]
    expected = tokens * time["flops_per_token"] / (8 * 989.4e12 * 0.4)
    assert time["compute_s"] == pytest.approx(expected)
    assert time["hours"] == pytest.approx(time["steps"] * time["step_s"] / 3600)


def test_the_text_writes_the_arithmetic_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["estimate", "-c", str(PAPER), *ROWS]) == 0
    text = capsys.readouterr().out
    assert "65,285,660,672 x 2 B / 8 GPUs" in text
    assert "= 83,886,080 x 2 B / 8 GPUs" in text
    assert "fits: 79.2 GiB a GPU" in text
    assert "768 sequences a step = 16 x 8 GPUs x 6 accumulated" in text
    assert "tokens      78,000,000 an epoch = rows x 300.0 (--tokens-per-row)" in text


def test_more_cards_less_memory_and_time(capsys: pytest.CaptureFixture[str]) -> None:
    few, many = (run_json(capsys, *ROWS, "--count", count) for count in ("8", "48"))
    assert many["memory"]["gpu_bytes"] < few["memory"]["gpu_bytes"]
    assert many["time"]["hours"] < few["time"]["hours"] / 4


def test_a_slow_network_bounds_the_step(capsys: pytest.CaptureFixture[str]) -> None:
    slow = run_json(capsys, *ROWS, "--count", "48", "--network-gbit", "10")["time"]
    assert slow["step_s"] == slow["link_s"] > slow["compute_s"]


def test_without_tokens_the_bound_is_max_length(capsys: pytest.CaptureFixture[str]) -> None:
    found = run_json(capsys, "--rows", "1000")["time"]
    assert (found["tokens_per_row"], found["tokens"]) == (512.0, 512_000)
    assert "upper bound" in found["tokens_from"]


def test_a_card_without_bf16_is_remarked_on(capsys: pytest.CaptureFixture[str]) -> None:
    found = run_json(capsys, *ROWS, "--gpu", "v100-32gb", "--count", "48")
    assert found["notes"] == ["v100-32gb does not compute in bf16: set dtype: fp16"]
    assert not found["time"]["packed"]


@pytest.mark.parametrize(("gpu", "dtype"), [("v100-32gb", "fp16"), ("H100-80GB", "bf16")])
def test_auto_is_the_cards_own_format(
    gpu: str, dtype: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "auto.yaml"
    config.write_text(yaml.safe_dump(yaml.safe_load(PAPER.read_text()) | {"dtype": "auto"}))
    assert main(["estimate", "-c", str(config), *ROWS, "--gpu", gpu, "--count", "48"]) == 0
    printed = capsys.readouterr().out
    assert f"trainable parameters (0.128%), {dtype}, " in printed
    assert "does not compute in bf16" not in printed


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--gpu", "tpu-v5"], 64, "--gpu: 'tpu-v5' is not a known type; expected one of a100-40gb"),
        (["--count", "0"], 64, "--count: '0'; expected a whole number of at least 1"),
        (["--count", "eight"], 64, "--count: 'eight'; expected"),
        (["--count", "7"], 64, "global_batch_size 768 / (micro_batch_size 16 x 7 ranks)"),
        (["--rows", "-5"], 64, "--rows: '-5'"),
        (["--tokens-per-row", "0"], 64, "--tokens-per-row: '0'; expected a number above 0"),
        (
            ["--utilisation", "1.5"],
            64,
            "'1.5'; expected a number above 0 and at most 1",
        ),
        (["--network-gbit", "nan"], 64, "--network-gbit: 'nan'"),
        (["-c", "nowhere.yaml"], 64, "nowhere.yaml: cannot be read"),
    ],
)
def test_bad_options(
    capsys: pytest.CaptureFixture[str], options: list[str], code: int, message: str
) -> None:
    assert main(["estimate", "-c", str(PAPER), *ROWS, *options]) == code
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        ({"base_model": "nobody/nothing"}, 66, "base_model: the shape of nobody/nothing"),
        ({"lora": {"targets": ["c_attn"]}}, 64, "lora.targets: 'c_attn' matches no module"),
    ],
)
def test_bad_files(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: dict[str, Any],
    code: int,
    message: str,
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(PAPER.read_text()) | change))
    assert main(["estimate", "-c", str(path), *ROWS]) == code
    assert message in capsys.readouterr().err


def test_rows_and_tokens_come_from_the_store(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = open_store(str(tmp_path / "runs"))
    rows = [
        Row(
            row_id=str(number),
            prompt_id=str(number),
            status=RowStatus.ACCEPTED if number < 30 else RowStatus.REJECTED,
            instruction="Why?",
            answer="x" * 300,
        )
        for number in range(40)
    ]
    path = tmp_path / "config.yaml"
    values = yaml.safe_load(PAPER.read_text())
    values["data"] = {"store": store.url, "stage_prefix": "run/align"}
    path.write_text(yaml.safe_dump(values))
    command = ["estimate", "-c", str(path), "--json"]
    assert main(command) == 64
    assert "run/align has no manifest yet; give --rows" in capsys.readouterr().err

    create_part(store, "run/align/part-00000.parquet", rows)
    counts = {"inputs": 40, "accepted": 30, "rejected": 10}
    write_manifest(store, "run/align", Manifest(stage="align", **counts))  # type: ignore[arg-type]
    assert main(command) == 0
    found = json.loads(capsys.readouterr().out)["time"]
    assert found["rows"] == 30
    assert 100 < found["tokens_per_row"] < 200
    assert found["tokens_from"] == "4 characters a token on 30 rows"


def test_nothing_heavy_is_imported() -> None:
    script = (
        "import sys; from selfalign_training.__main__ import main; main(sys.argv[1:]);"
        "sys.exit(any(name in sys.modules for name in ('torch', 'transformers', 'deepspeed')))"
    )
    command = [sys.executable, "-c", script, "estimate", "-c", str(PAPER), *ROWS]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(
    ("device", "name"),
    [
        ("NVIDIA H100 80GB HBM3", "h100-80gb"),
        ("NVIDIA A100-SXM4-80GB", "a100-80gb"),
        ("NVIDIA A100 80GB PCIe", "a100-80gb"),
        ("NVIDIA H200", "h200-141gb"),
        ("Tesla V100-SXM2-32GB", "v100-32gb"),
        ("NVIDIA GeForce RTX 4090", "rtx4090-24gb"),
        ("NVIDIA H100 PCIe", None),
        ("NVIDIA T4", None),
    ],
)
def test_cards_are_recognised_by_their_drivers_name(device: str, name: str | None) -> None:
    found = recognise_gpu(device)
    assert (found.name if found else None) == name
    assert len({gpu.name for gpu in GPUS}) == len(GPUS)
