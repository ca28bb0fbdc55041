"""Models that are trained as a whole: their weights in files, and jobs of two ranks and of one."""

import json
from pathlib import Path
from typing import Any

import pytest

from support.training_job import MakeJob

pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.mark.parametrize(("shard_bytes", "files"), [(1 << 30, 1), (60_000, 7), (1, 20)])
@pytest.mark.parametrize("tied", [False, True])
def test_files_of_weights_hold_the_model(
    base_model: Path, tmp_path: Path, shard_bytes: int, files: int, tied: bool
) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    from selfalign_training.model.gathered_weights import ShardWriter, gather_weights
    from selfalign_training.model.merge import copy_rest

    model: Any = AutoModelForCausalLM.from_pretrained(base_model, tie_word_embeddings=tied)
    writer = ShardWriter(tmp_path / "merged", torch.float32, shard_bytes)
    for name, tensor in gather_weights(model, trainable_only=False):
        writer.add(name, tensor)
    writer.finish()
    found = sorted(path.name for path in (tmp_path / "merged").iterdir())
    if files > 1:
        assert found[0] == f"model-00001-of-{len(found) - 1:05d}.safetensors"
        index = json.loads((tmp_path / "merged" / found[-1]).read_text())
        total = sum(parameter.nbytes for parameter in model.parameters())
        assert index["metadata"]["total_size"] == total
        sizes = [path.stat().st_size for path in (tmp_path / "merged").glob("*.safetensors")]
        largest = max(parameter.nbytes for parameter in model.parameters())
        assert max(sizes) <= max(shard_bytes, largest) + 2000
    else:
        assert found == ["model.safetensors"]
    copy_rest(base_model, tmp_path / "merged", torch.float32)
    again: Any = AutoModelForCausalLM.from_pretrained(tmp_path / "merged", tie_word_embeddings=tied)
    for name, weight in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], weight), name


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_full_fine_tuning_is_the_same_on_ranks_that_share_every_tensor(
    make_job: MakeJob, base_model: Path
) -> None:
    """ZeRO-3 on two ranks, whose merged weights are gathered, and ZeRO-0 on one."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    common = {
        "method": "full",
        "learning_rate": 1e-3,
        "global_batch_size": 36,
        "epochs": 3,
        "dtype": "fp32",
    }
    sharded = make_job(**common, zero_stage=3, micro_batch_size=18)
    sharded.values["output"] |= {"dtype": "fp32"}
    assert sharded.run() == 0, sharded.stderr
    plain = make_job(**common, zero_stage=0, micro_batch_size=36)
    plain.values["output"] |= {"dtype": "fp32"}
    assert plain.run_alone() == 0, plain.stderr
    for one, other in zip(sharded.metrics(), plain.metrics(), strict=True):
        assert one["loss"] == pytest.approx(other["loss"], abs=1e-4)
    assert sharded.losses()[3] < sharded.losses()[1]
    names = {part["name"] for part in sharded.manifest()["parts"]}
    assert {"merged/model.safetensors", "merged/config.json", "merged/tokenizer.json"} <= names
    assert not any(name.startswith("adapter/") for name in names)
    first, second, base = (
        AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).state_dict()
        for folder in (sharded.output / "merged", plain.output / "merged", base_model)
    )
    # Adam may turn the rounding of a tiny gradient into a step, so single weights may differ.
    moved = sum(float((first[name] - base[name]).abs().mean()) for name in first)
    apart = sum(float((first[name] - second[name]).abs().mean()) for name in first)
    assert first.keys() == second.keys()
    assert apart < 0.02 * moved
    assert AutoTokenizer.from_pretrained(sharded.output / "merged").is_fast
