"""Merging an adapter into its base model, one file of weights at a time."""

import json
import shutil
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from selfalign.errors import ModelError

COPIED = ("*.json", "*.model", "*.jinja", "*.txt")
INDEXES = ".index.json"
INDEX = "model.safetensors.index.json"
ADAPTER_PREFIX = "base_model.model."


def merge_adapter(base: Path, adapter: Path, target: Path, dtype: torch.dtype) -> None:
    """Writes W + scale * B A for every adapted weight, all else as it was, in `dtype`.

    File names and shards are those of the base model, so that memory holds one shard at most.

    Args:
        base: A folder of safetensors with its configuration and tokenizer.
        adapter: A folder that peft wrote: adapter_config.json, adapter_model.safetensors.
        target: The folder to make; loadable by transformers, TGI and vLLM.
        dtype: Of the floating-point weights written.

    Raises:
        ModelError: no safetensors, or an adapted weight that the base model lacks.
    """
    shards = sorted(base.glob("model*.safetensors"))
    if not shards:
        raise ModelError(f"base_model: {base} holds no model*.safetensors; convert it first")
    target.mkdir(parents=True, exist_ok=True)
    deltas = _Deltas(adapter)
    total = 0
    for shard in shards:
        tensors = {}
        try:
            with safe_open(shard, framework="pt") as file:
                for name in file.keys():  # noqa: SIM118 - not a dictionary
                    weight = deltas.apply(name, file.get_tensor(name))
                    tensors[name] = weight.to(dtype) if weight.is_floating_point() else weight
        except (OSError, SafetensorError) as error:
            raise ModelError(f"base_model: {shard} is unreadable: {error}") from error
        total += sum(tensor.nbytes for tensor in tensors.values())
        save_file(tensors, target / shard.name, metadata={"format": "pt"})
    if deltas.unused:
        raise ModelError(
            f"base_model: {base} has no weight for the adapted module {min(deltas.unused)}"
        )
    copy_rest(base, target, dtype)
    _write_index(base, target, total)


def name_base_model(adapter: Path, name: str) -> None:
    """Has the adapter name its base model as `name`: peft writes where it lay."""
    path = adapter / "adapter_config.json"
    settings = json.loads(path.read_text()) | {"base_model_name_or_path": name}
    path.write_text(json.dumps(settings, indent=2) + "\n")


class _Deltas:
    """The adapter's low-rank updates, by the name of the weight that each belongs to."""

    def __init__(self, adapter: Path) -> None:
        settings = json.loads((adapter / "adapter_config.json").read_text())
        rank, alpha = settings["r"], settings["lora_alpha"]
        self._scale = alpha / rank**0.5 if settings.get("use_rslora") else alpha / rank
        self._halves: dict[str, dict[str, torch.Tensor]] = {}
        with safe_open(adapter / "adapter_model.safetensors", framework="pt") as file:
            for key in file.keys():  # noqa: SIM118
                module, half, _ = key.removeprefix(ADAPTER_PREFIX).rsplit(".", 2)
                self._halves.setdefault(f"{module}.weight", {})[half] = file.get_tensor(key)
        self.unused = set(self._halves)

    def apply(self, name: str, weight: torch.Tensor) -> torch.Tensor:
        halves = self._halves.get(name)
        if halves is None:
            return weight
        self.unused.discard(name)
        update = halves["lora_B"].float() @ halves["lora_A"].float()
        return torch.add(weight.float(), update, alpha=self._scale)


def copy_rest(base: Path, target: Path, dtype: torch.dtype) -> None:
    """Configuration and tokenizer of the base model, as they are but for the dtype."""
    for pattern in COPIED:
        for path in base.glob(pattern):
            # Indexes name files of weights, which need not be the target's.
            if path.is_file() and not path.name.endswith(INDEXES):
                shutil.copyfile(path, target / path.name)
    settings = json.loads((base / "config.json").read_text())
    name = str(dtype).removeprefix("torch.")
    keys = [key for key in ("dtype", "torch_dtype") if key in settings] or ["torch_dtype"]
    settings |= dict.fromkeys(keys, name)
    (target / "config.json").write_text(json.dumps(settings, indent=2) + "\n")


def _write_index(base: Path, target: Path, total: int) -> None:
    """The base model's own, with the new size."""
    if (base / INDEX).is_file():
        index = json.loads((base / INDEX).read_text())
        index.setdefault("metadata", {})["total_size"] = total
        (target / INDEX).write_text(json.dumps(index, indent=2) + "\n")
