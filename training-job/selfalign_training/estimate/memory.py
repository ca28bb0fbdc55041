"""Memory of one GPU, part by part, each with the arithmetic that gave it."""

from collections.abc import Iterator
from dataclasses import dataclass

from selfalign_training.estimate.activations import activation_parts
from selfalign_training.estimate.memory_parts import GIB, Part, When
from selfalign_training.estimate.plan import ON_GPU, Plan
from selfalign_training.estimate.weight_memory import weight_parts

# CUDA's context and kernels, cuBLAS workspaces, NCCL's channels: what nvidia-smi shows beside
# PyTorch's own memory; and what PyTorch's allocator holds but cannot use.
CONTEXT_BYTES = int(1.5 * GIB)
FRAGMENTATION = 0.05


@dataclass(frozen=True, slots=True)
class Memory:
    """All parts of one rank, on its GPU and off it."""

    parts: tuple[Part, ...]

    def on_gpu(self, when: When) -> int:
        """Bytes on the GPU in a phase alone."""
        return sum(part.bytes for part in self.parts if part.when == when and part.place == ON_GPU)

    @property
    def allocated(self) -> int:
        """PyTorch's highest mark: in the backward pass or the optimizer step."""
        return self.on_gpu("always") + max(self.on_gpu("backward"), self.on_gpu("step"))

    @property
    def fragmentation(self) -> int:
        """Bytes set aside for what the allocator cannot use."""
        return int(FRAGMENTATION * self.allocated)

    @property
    def total(self) -> int:
        """Bytes of the GPU's memory that the job needs."""
        return self.allocated + self.fragmentation + CONTEXT_BYTES

    def off_gpu(self, place: str) -> int:
        """Bytes of one rank in host memory (cpu) or on disk (nvme)."""
        return sum(part.bytes for part in self.parts if part.place == place)


def estimate_memory(plan: Plan) -> Memory:
    """What one rank needs at its highest mark."""
    return Memory(
        (
            *weight_parts(plan),
            *gradient_parts(plan),
            *optimizer_parts(plan),
            *communication_parts(plan),
            *activation_parts(plan),
        )
    )


def gradient_parts(plan: Plan) -> Iterator[Part]:
    """Gradients in the training's dtype, and their fp32 copy while the optimizer steps."""
    sharding, trainable = plan.sharding, plan.trainable
    place = sharding.optimizer_on if sharding.stage >= 2 else ON_GPU
    shards = plan.gpus if sharding.stage >= 2 else 1
    yield Part(
        "gradients",
        plan.width * trainable // shards,
        f"{trainable:,} x {plan.width} B{_over(shards)}",
        place="cpu" if place != ON_GPU else ON_GPU,
    )
    if plan.dtype != "fp32":
        shards = plan.gpus if sharding.stage else 1
        share = trainable // shards
        at_once = min(share, sharding.sub_group) if sharding.stage == 3 else share
        yield Part(
            "gradients in fp32",
            4 * at_once,
            f"{at_once:,} x 4 B, in the optimizer step",
            "step",
            "cpu" if sharding.optimizer_on != ON_GPU else ON_GPU,
        )


def optimizer_parts(plan: Plan) -> Iterator[Part]:
    """AdamW: two moments, and fp32 master weights wherever ZeRO or a 16-bit dtype needs them."""
    stage, trainable = plan.sharding.stage, plan.trainable
    shards = plan.gpus if stage else 1
    master = 4 if stage or plan.dtype != "fp32" else 0
    copies = "fp32 master 4 B + " if master else ""
    yield Part(
        "optimizer states",
        (8 + master) * trainable // shards,
        f"{trainable:,} x ({copies}two fp32 moments 8 B){_over(shards)}",
        place=plan.sharding.optimizer_on,
    )


def communication_parts(plan: Plan) -> Iterator[Part]:
    """Buckets through which gradients are reduced."""
    sharding = plan.sharding
    if plan.gpus == 1 and sharding.stage == 0:
        return
    # Stage 0 reduces copies of the gradients that there are; the others allocate whole buckets.
    size = min(sharding.bucket, plan.trainable) if sharding.stage == 0 else sharding.bucket
    # Stage 3 has one, and as much again while it scatters; below it overlap makes them two.
    count = 2 if sharding.stage == 3 or (sharding.stage and sharding.overlap) else 1
    yield Part(
        "communication buckets",
        count * size * plan.width,
        f"{count} x {size:,} x {plan.width} B",
        "backward",
    )


def _over(shards: int) -> str:
    return f" / {shards} GPUs" if shards > 1 else ""
