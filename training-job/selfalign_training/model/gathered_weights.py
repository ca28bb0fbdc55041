"""A trained model's weights, one parameter after the other: ranks gather, the first one writes."""

import json
from collections.abc import Iterator
from pathlib import Path

import deepspeed
import torch
from safetensors.torch import save_file

from selfalign_training.model.merge import INDEX

SHARD_BYTES = 4 << 30


def gather_weights(
    model: torch.nn.Module, *, trainable_only: bool
) -> Iterator[tuple[str, torch.Tensor]]:
    """Names and whole tensors, tied ones once; all ranks must go through all of them.

    Under ZeRO-3 a parameter is whole for as long as it is looked at, and then cut up again: no
    more than one is held besides the rank's own share.
    """
    seen: set[int] = set()
    for name, tensor in model.state_dict(keep_vars=True).items():
        if id(tensor) in seen or (trainable_only and not tensor.requires_grad):
            continue
        seen.add(id(tensor))
        with deepspeed.zero.GatheredParameters([tensor]):
            yield name, tensor.detach()


class ShardWriter:
    """Safetensors files of limited size with their index, as transformers names them."""

    def __init__(self, folder: Path, dtype: torch.dtype, shard_bytes: int = SHARD_BYTES) -> None:
        """Args:
        folder: Made if it is missing.
        dtype: Of the floating-point weights written.
        shard_bytes: A file holds more only where one tensor does.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._dtype = dtype
        self._limit = shard_bytes
        self._pending: dict[str, torch.Tensor] = {}
        self._shards: list[list[str]] = []
        self._total = 0

    def add(self, name: str, tensor: torch.Tensor) -> None:
        """Copies the tensor to the CPU; full files are written at once."""
        dtype = self._dtype if tensor.is_floating_point() else tensor.dtype
        copied = tensor.to("cpu", dtype, copy=True).contiguous()
        if self._pending and self._pending_bytes() + copied.nbytes > self._limit:
            self._write()
        self._pending[name] = copied
        self._total += copied.nbytes

    def finish(self) -> None:
        """Writes what is left, and gives the files their final names."""
        if self._pending:
            self._write()
        count = len(self._shards)
        if count == 1:
            self._partial(1).replace(self._folder / "model.safetensors")
            return
        places: dict[str, str] = {}
        for number, names in enumerate(self._shards, start=1):
            file = f"model-{number:05d}-of-{count:05d}.safetensors"
            self._partial(number).replace(self._folder / file)
            places |= dict.fromkeys(names, file)
        index = {"metadata": {"total_size": self._total}, "weight_map": places}
        (self._folder / INDEX).write_text(json.dumps(index, indent=2) + "\n")

    def _pending_bytes(self) -> int:
        return sum(tensor.nbytes for tensor in self._pending.values())

    def _write(self) -> None:
        self._shards.append(list(self._pending))
        save_file(self._pending, self._partial(len(self._shards)), metadata={"format": "pt"})
        self._pending = {}

    def _partial(self, number: int) -> Path:
        return self._folder / f"partial-{number:05d}"


def save_full_model(
    model: torch.nn.Module, folder: Path, dtype: torch.dtype, *, first: bool
) -> None:
    """Writes all weights into `folder` on the first rank; every rank must call it."""
    writer = ShardWriter(folder, dtype) if first else None
    for name, tensor in gather_weights(model, trainable_only=False):
        if writer is not None:
            writer.add(name, tensor)
    if writer is not None:
        writer.finish()


def adapter_state(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The trained tensors of an adapter, whole and on the CPU; every rank must call it."""
    return {
        name: tensor.to("cpu", copy=True)
        for name, tensor in gather_weights(model, trainable_only=True)
    }
