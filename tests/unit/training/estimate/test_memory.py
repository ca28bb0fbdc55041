"""Memory by part: what each ZeRO stage, method and offload changes."""

from dataclasses import replace

import pytest

from selfalign_training.configuration.json_types import JsonObject
from selfalign_training.estimate.known import KNOWN
from selfalign_training.estimate.memory import CONTEXT_BYTES, Memory, estimate_memory
from selfalign_training.estimate.plan import ON_GPU, Plan, Sharding, plain_sharding, read_sharding

P = 65_285_660_672
T = 83_886_080
H = 8192
GPUS = 8
OFFLOAD = {"offload_optimizer": {"device": "nvme"}, "offload_param": {"device": "cpu"}}


def plan(stage: int, offload: tuple[str, str] = (ON_GPU, ON_GPU)) -> Plan:
    return Plan(
        shape=KNOWN["huggyllama/llama-65b"],
        method="lora",
        rank=16,
        targets=("q_proj", "k_proj", "v_proj", "o_proj"),
        dropout=0.0,
        dtype="bf16",
        micro_batch=4,
        max_length=512,
        checkpointing=True,
        gpus=GPUS,
        sharding=plain_sharding(stage, H, offload),
    )


def bytes_of(memory: Memory, name: str, place: str = ON_GPU) -> int:
    return sum(part.bytes for part in memory.parts if part.name == name and part.place == place)


@pytest.mark.parametrize(
    ("stage", "weights", "gradients", "optimizer"),
    [
        (0, 2 * P, 2 * T, 12 * T),
        (1, 2 * P, 2 * T, 12 * T // GPUS),
        (2, 2 * P, 2 * T // GPUS, 12 * T // GPUS),
        (3, 2 * P // GPUS, 2 * T // GPUS, 12 * T // GPUS),
    ],
)
def test_each_stage_shards_one_thing_more(
    stage: int, weights: int, gradients: int, optimizer: int
) -> None:
    memory = estimate_memory(plan(stage))
    assert bytes_of(memory, "base weights") == weights
    assert bytes_of(memory, "gradients") == gradients
    assert bytes_of(memory, "optimizer states") == optimizer
    assert bool(bytes_of(memory, "gathered weights (ZeRO-3)")) == (stage == 3)


@pytest.mark.parametrize(
    ("method", "weights"),
    [
        ("lora", 2 * P),
        ("full", 2 * P),
        # 809,500,672 weights a layer in 4.127 bits; embedding, head and norms in 16.
        (
            "qlora",
            int(80 * 809_500_672 * (0.5 + 1 / 64 + 1 / 4096) + 2 * (2 * 32000 * H + 161 * H)),
        ),
    ],
)
def test_methods(method: str, weights: int) -> None:
    memory = estimate_memory(replace(plan(0), method=method))  # type: ignore[arg-type]
    assert bytes_of(memory, "base weights") == weights
    trainable = P if method == "full" else T
    assert bytes_of(memory, "optimizer states") == 12 * trainable


def test_fp32_without_zero_needs_no_master_weights() -> None:
    memory = estimate_memory(replace(plan(0), dtype="fp32"))
    assert bytes_of(memory, "optimizer states") == 8 * T
    assert bytes_of(memory, "gradients in fp32") == 0


def test_offload_moves_parts_to_the_host() -> None:
    memory = estimate_memory(plan(3, ("cpu", "nvme")))
    assert bytes_of(memory, "base weights") == bytes_of(memory, "optimizer states") == 0
    assert memory.off_gpu("nvme") == 2 * P // GPUS + 2 * T // GPUS
    assert memory.off_gpu("cpu") == (12 + 2 + 4) * T // GPUS
    assert memory.total < estimate_memory(plan(3)).total


def test_checkpointing_keeps_one_layer_and_the_inputs_of_all() -> None:
    kept = bytes_of(estimate_memory(plan(3)), "activations (checkpointed)")
    whole = bytes_of(estimate_memory(replace(plan(3), checkpointing=False)), "activations")
    tokens = 4 * 512
    assert kept == whole // 80 + tokens * 80 * 2 * H


def test_the_highest_mark_counts_once() -> None:
    """Backward pass and optimizer step are not added to each other."""
    memory = estimate_memory(replace(plan(1), method="full", micro_batch=1))
    assert memory.on_gpu("step") == 4 * P // GPUS > memory.on_gpu("backward")
    assert memory.allocated == memory.on_gpu("always") + memory.on_gpu("step")
    assert memory.total == int(0.05 * memory.allocated) + memory.allocated + CONTEXT_BYTES


@pytest.mark.parametrize(
    ("zero", "expected"),
    [
        ({}, Sharding(0, overlap=False)),
        ({"stage": 2}, Sharding(2, overlap=False)),
        ({"stage": 2, "reduce_bucket_size": "auto", "overlap_comm": True}, Sharding(2, bucket=100)),
        ({"stage": 3, "stage3_param_persistence_threshold": "auto"}, Sharding(3, persistence=100)),
        ({"stage": 3, "stage3_max_live_parameters": 1e8}, Sharding(3, max_live=100_000_000)),
        (
            {
                "stage": 3,
                "offload_optimizer": {"device": "nvme"},
                "offload_param": {"device": "cpu"},
            },
            Sharding(3, optimizer_on="nvme", parameters_on="cpu"),
        ),
        ({"stage": 2, "offload_param": {"device": "cpu"}}, Sharding(2, overlap=False)),
    ],
)
def test_deepspeed_settings_are_read(zero: JsonObject, expected: Sharding) -> None:
    assert read_sharding({"zero_optimization": zero}, hidden=10) == expected
