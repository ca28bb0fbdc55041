"""The estimate's arithmetic against real models, peft, autograd and DeepSpeed."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from selfalign_training.estimate.activations import layer_bytes
from selfalign_training.estimate.known import find_shape, read_shape
from selfalign_training.estimate.memory import optimizer_parts
from selfalign_training.estimate.plan import Plan, plain_sharding

pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
SMALL_MODEL = Path(__file__).resolve().parents[3] / ".cache/models/smollm2-135m"
SUPPORT = Path(__file__).resolve().parents[2]
TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj")
SIZES: dict[str, Any] = {
    "vocab_size": 300,
    "hidden_size": 96,
    "intermediate_size": 160,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
}


def parameters(model: Any) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(
    ("family", "extra"),
    [
        ("llama", {}),
        ("llama", {"tie_word_embeddings": True, "attention_bias": True, "mlp_bias": True}),
        ("mistral", {"head_dim": 32}),
        ("qwen2", {}),
        ("qwen3", {"head_dim": 24}),
    ],
)
def test_parameters_are_those_of_transformers(
    tmp_path: Path, family: str, extra: dict[str, Any]
) -> None:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    make: Any = AutoModelForCausalLM.from_config

    config = AutoConfig.for_model(family, **SIZES, **extra)
    config.save_pretrained(tmp_path)
    with torch.device("meta"):
        model = make(config)
    assert read_shape(tmp_path / "config.json", family).parameters == parameters(model)


@pytest.mark.model
def test_parameters_are_those_of_the_small_real_model() -> None:
    from safetensors import safe_open

    total = 0
    with safe_open(SMALL_MODEL / "model.safetensors", framework="pt") as file:
        for name in file.keys():  # noqa: SIM118
            rows = 1
            for size in file.get_slice(name).get_shape():
                rows *= size
            total += rows
    assert find_shape(str(SMALL_MODEL)).parameters == total == 134_515_008


@pytest.fixture(scope="module")
def tiny(base_model: Path) -> Plan:
    """The tiny LLaMA of these tests, by LoRA on one rank."""
    return Plan(
        shape=find_shape(str(base_model)),
        method="lora",
        rank=4,
        targets=TARGETS,
        dropout=0.0,
        dtype="bf16",
        micro_batch=2,
        max_length=64,
        checkpointing=False,
        gpus=1,
        sharding=plain_sharding(2, 64),
    )


def build(base_model: Path, plan: Plan) -> Any:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    model: Any = AutoModelForCausalLM.from_pretrained(base_model, dtype=torch.bfloat16)
    if plan.method == "lora":
        settings = LoraConfig(
            r=plan.rank,
            lora_alpha=plan.rank,
            lora_dropout=plan.dropout,
            target_modules=list(plan.targets),
            task_type="CAUSAL_LM",
        )
        model = get_peft_model(model, settings, autocast_adapter_dtype=False)
    return model


@pytest.mark.parametrize("targets", [TARGETS, ("q_proj", "down_proj"), ("gate_proj", "o_proj")])
def test_the_adapter_is_as_large_as_pefts(
    base_model: Path, tiny: Plan, targets: tuple[str, ...]
) -> None:
    plan = replace(tiny, targets=targets)
    model = build(base_model, plan)
    trained = sum(item.numel() for item in model.parameters() if item.requires_grad)
    assert plan.adapter == trained


def saved_bytes(model: Any, plan: Plan) -> int:
    """What autograd keeps of a forward pass, parameters left out."""
    import torch

    saved: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    ids = torch.zeros(plan.micro_batch, plan.max_length, dtype=torch.long)
    mask = torch.ones_like(ids)
    mask[0, -1] = 0
    decoder = model.get_base_model() if plan.method == "lora" else model
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        hidden = decoder.model(input_ids=ids, attention_mask=mask).last_hidden_state
    weights = {item.untyped_storage().data_ptr() for item in model.parameters()}
    size = sum(size for pointer, size in saved.items() if pointer not in weights)
    del hidden
    return size


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"targets": (*TARGETS, "gate_proj", "up_proj", "down_proj")},
        {"targets": ("v_proj", "down_proj")},
        {"method": "full"},
    ],
)
def test_activations_are_what_autograd_keeps(
    base_model: Path, tiny: Plan, tmp_path: Path, change: dict[str, Any]
) -> None:
    """The difference of a deep and a shallow model is whole layers and nothing else."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    make: Any = AutoModelForCausalLM.from_config

    plan = replace(tiny, **change)
    kept = []
    for layers in (2, 4):
        config = AutoConfig.from_pretrained(base_model, num_hidden_layers=layers)
        folder = tmp_path / str(layers)
        make(config, dtype=torch.bfloat16).save_pretrained(folder)
        kept.append(saved_bytes(build(folder, plan), plan))
    measured = (kept[1] - kept[0]) / 2 / plan.tokens
    assert layer_bytes(plan) == pytest.approx(measured, rel=0.02)


@pytest.mark.timeout(300)
def test_optimizer_states_are_deepspeeds(base_model: Path, tiny: Plan) -> None:
    """In a process of its own: DeepSpeed remembers process groups for good."""
    cases = [(0, "bf16"), (0, "fp32"), (1, "bf16"), (2, "bf16"), (2, "fp32")]
    command = [sys.executable, "-m", "support.deepspeed_states", str(base_model)]
    environment = os.environ | {"PYTHONPATH": str(SUPPORT), "OMP_WAIT_POLICY": "PASSIVE"}
    done = subprocess.run(
        [*command, *(f"{stage}:{dtype}" for stage, dtype in cases)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    expected = []
    for stage, dtype in cases:
        plan = replace(tiny, dtype=dtype, sharding=plain_sharding(stage, 64))
        expected += [part.bytes for part in optimizer_parts(plan)]
    assert json.loads(done.stdout.splitlines()[-1]) == expected
