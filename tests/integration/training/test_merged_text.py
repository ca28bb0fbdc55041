"""Merged weights write what base model and adapter write: no bit is lost but by one rounding.

Equality of texts is a matter of fp32: W + s B A, rounded once to 16 bits, is not the matrix that
W x + s B (A x) applies, and near a tie of two tokens that may show.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
REPOSITORY = Path(__file__).parents[3]
DEMO = REPOSITORY / "runs" / "demo"
TOKENS = 32


def texts(model: Any, tokenizer: Any, prompts: Sequence[str]) -> list[list[int]]:
    """Greedy continuations of the prompts, one batch."""
    tokenizer.padding_side = "left"
    batch = tokenizer(list(prompts), return_tensors="pt", padding=True)
    options = {"max_new_tokens": TOKENS, "min_new_tokens": TOKENS, "do_sample": False}
    written = model.eval().generate(
        **batch, **options, pad_token_id=tokenizer.pad_token_id or tokenizer.eos_token_id
    )
    return [row[batch["input_ids"].shape[1] :].tolist() for row in written]


def compare(base: Path, adapter: Path, merged: Path, prompts: Sequence[str]) -> list[int]:
    """The prompts for which merged weights, and base and adapter, write another text, in fp32."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    load: Any = AutoModelForCausalLM.from_pretrained
    tokenizer = AutoTokenizer.from_pretrained(merged)
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    adapted = PeftModel.from_pretrained(load(base, dtype=torch.float32), adapter)
    expected = texts(adapted, tokenizer, prompts)
    with adapted.disable_adapter():
        assert texts(adapted, tokenizer, prompts) != expected
    found = texts(load(merged, dtype=torch.float32), tokenizer, prompts)
    return [at for at, pair in enumerate(zip(found, expected, strict=True)) if pair[0] != pair[1]]


def test_a_small_model_writes_the_same(base_model: Path, adapter: Path, tmp_path: Path) -> None:
    import torch

    from selfalign_training.model.merge import merge_adapter

    merge_adapter(base_model, adapter, tmp_path / "merged", torch.float32)
    prompts = [f"Which colour has the thing number {number}?" for number in range(8)]
    assert compare(base_model, adapter, tmp_path / "merged", prompts) == []


@pytest.mark.model
@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.skipif(not (DEMO / "evaluate").is_dir(), reason="no finished demo under runs/")
@pytest.mark.parametrize("stage", ["engrave", "distill"])
def test_the_demo_writes_the_same(stage: str) -> None:
    from selfalign.constitution.render import student_layout
    from selfalign.constitution.yaml_file import load_constitution

    layout = student_layout(load_constitution(None))
    answers = json.loads((DEMO / "evaluate" / "arm-final.json").read_text())["answers"]
    prompts = [
        f"{layout.meta_prompts[0].strip()}\n{answer['instruction']}{layout.assistant_header}"
        for answer in answers
    ]
    base = REPOSITORY / ".cache" / "models" / "smollm2-135m"
    assert compare(base, DEMO / stage / "adapter", DEMO / stage / "merged", prompts) == []


def test_sixteen_bits_are_rounded_to_once(base_model: Path, adapter: Path, tmp_path: Path) -> None:
    """Nearer to W + s B A than any other bf16 weights; adding in bf16 rounds twice."""
    import torch
    from safetensors.torch import load_file

    from selfalign_training.model.merge import merge_adapter

    exact, rounded = tmp_path / "exact", tmp_path / "rounded"
    merge_adapter(base_model, adapter, exact, torch.float32)
    merge_adapter(base_model, adapter, rounded, torch.bfloat16)
    sums = load_file(exact / "model.safetensors")
    for name, weight in load_file(rounded / "model.safetensors").items():
        assert torch.equal(weight, sums[name].to(torch.bfloat16)), name
