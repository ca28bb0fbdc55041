"""Bytes that DeepSpeed's optimizer really holds for a LoRA of rank 4, as one JSON list.

python -m support.deepspeed_states MODEL STAGE:DTYPE...
"""

import json
import os
import sys
import tempfile

os.environ |= {"DS_ACCELERATOR": "cpu", "RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1"}

import deepspeed
import torch
import torch.distributed as dist
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM


def held_bytes(model_folder: str, stage: int, dtype: str) -> int:
    """After one step: moments, and the fp32 copies that the optimizer steps if it has any."""
    base = AutoModelForCausalLM.from_pretrained(model_folder)
    targets = ["q_proj", "k_proj", "v_proj", "o_proj"]
    model = get_peft_model(base, LoraConfig(r=4, target_modules=targets, task_type="CAUSAL_LM"))
    trained = [item for item in model.parameters() if item.requires_grad]
    engine, optimizer, *_ = deepspeed.initialize(
        model=model,
        optimizer=torch.optim.AdamW(trained, lr=1e-3),
        config={
            "train_batch_size": 1,
            "zero_optimization": {
                "stage": stage,
                "overlap_comm": False,
                "reduce_bucket_size": 100_000,
            },
            "bf16": {"enabled": dtype == "bf16"},
            "zero_allow_untested_optimizer": True,
            "zero_force_ds_cpu_optimizer": False,
        },
    )
    ids = torch.zeros(1, 8, dtype=torch.long)
    engine.backward(engine(input_ids=ids, labels=ids).loss)
    engine.step()
    inner = getattr(optimizer, "optimizer", optimizer)
    states = [value for state in inner.state.values() for value in state.values()]
    size: int = sum(value.nbytes for value in states if value.ndim)
    if optimizer is not inner:
        size += sum(item.nbytes for group in inner.param_groups for item in group["params"])
    return size


def main() -> None:
    model, *cases = sys.argv[1:]
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    with tempfile.TemporaryDirectory() as folder:
        dist.init_process_group("gloo", init_method=f"file://{folder}/g", rank=0, world_size=1)
        sizes = [held_bytes(model, int(stage), dtype) for stage, dtype in map(split, cases)]
        dist.destroy_process_group()
    print(json.dumps(sizes))


def split(case: str) -> tuple[str, str]:
    stage, _, dtype = case.partition(":")
    return stage, dtype


if __name__ == "__main__":
    main()
