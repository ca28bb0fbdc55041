"""Merging file by file gives what peft's own merge gives."""

import json
from pathlib import Path

import pytest

from selfalign.errors import ModelError

pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def sharded(base_model: Path, target: Path) -> Path:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(base_model)
    model.save_pretrained(target, max_shard_size="100KB")
    AutoTokenizer.from_pretrained(base_model).save_pretrained(target)
    assert len(list(target.glob("model-*.safetensors"))) > 1
    return target


@pytest.mark.parametrize("shards", [False, True])
def test_merged_weights_equal_pefts(
    base_model: Path, adapter: Path, tmp_path: Path, shards: bool
) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from selfalign_training.model.merge import merge_adapter

    base = sharded(base_model, tmp_path / "sharded") if shards else base_model
    merge_adapter(base, adapter, tmp_path / "merged", torch.float32)
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged").state_dict()
    with_adapter = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(base_model), adapter
    )
    expected = with_adapter.merge_and_unload().state_dict()
    assert merged.keys() == expected.keys()
    for name, weight in expected.items():
        torch.testing.assert_close(merged[name], weight)
    assert AutoTokenizer.from_pretrained(tmp_path / "merged").is_fast


def test_the_configuration_names_the_new_dtype(
    base_model: Path, adapter: Path, tmp_path: Path
) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    from selfalign_training.model.merge import merge_adapter

    base = sharded(base_model, tmp_path / "sharded")
    merge_adapter(base, adapter, tmp_path / "merged", torch.bfloat16)
    assert json.loads((tmp_path / "merged" / "config.json").read_text())["dtype"] == "bfloat16"
    index = json.loads((tmp_path / "merged" / "model.safetensors.index.json").read_text())
    before = json.loads((base / "model.safetensors.index.json").read_text())
    assert index["metadata"]["total_size"] * 2 == before["metadata"]["total_size"]
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "merged").dtype == torch.bfloat16


def test_a_base_that_does_not_fit_is_refused(
    base_model: Path, adapter: Path, tmp_path: Path
) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    from selfalign_training.model.merge import merge_adapter

    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ModelError, match=r"holds no model\*\.safetensors"):
        merge_adapter(empty, adapter, tmp_path / "merged", torch.bfloat16)
    weights = load_file(base_model / "model.safetensors")
    del weights["model.layers.1.self_attn.o_proj.weight"]
    save_file(weights, empty / "model.safetensors")
    with pytest.raises(ModelError, match=r"no weight for .*layers\.1\.self_attn\.o_proj"):
        merge_adapter(empty, adapter, tmp_path / "merged", torch.bfloat16)
    (empty / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(ModelError, match="is unreadable"):
        merge_adapter(empty, adapter, tmp_path / "merged", torch.bfloat16)
