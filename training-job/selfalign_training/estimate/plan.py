"""What of a training configuration decides memory and time."""

from dataclasses import dataclass, replace

from selfalign.errors import ConfigError
from selfalign.training_settings.hyperparameters import Method
from selfalign_training.configuration.json_types import JsonObject
from selfalign_training.configuration.training_config import TrainingConfig
from selfalign_training.configuration.zero import (
    deepspeed_settings,
    offload_device,
    section,
    zero_stage,
)
from selfalign_training.estimate.shapes import ModelShape

BYTES = {"bf16": 2, "fp16": 2, "fp32": 4}
# Defaults of DeepSpeed 0.19 (runtime/zero/config.py).
BUCKET = 500_000_000
MAX_LIVE = 1_000_000_000
PERSISTENCE = 100_000
SUB_GROUP = 1_000_000_000
ON_GPU = "none"


@dataclass(frozen=True, slots=True)
class Sharding:
    """DeepSpeed's ZeRO settings, "auto" filled in as transformers does; sizes in elements."""

    stage: int
    optimizer_on: str = ON_GPU
    """none (the GPU), cpu or nvme."""
    parameters_on: str = ON_GPU
    bucket: int = BUCKET
    overlap: bool = True
    """Two buckets instead of one below stage 3."""
    max_live: int = MAX_LIVE
    """Parameters that stage 3 holds gathered at once."""
    persistence: int = PERSISTENCE
    """Smaller parameters stay whole on every GPU in stage 3."""
    sub_group: int = SUB_GROUP
    """Parameters that stage 3 steps at once."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One rank's share of a job."""

    shape: ModelShape
    method: Method
    rank: int
    targets: tuple[str, ...]
    dropout: float
    dtype: str
    micro_batch: int
    max_length: int
    checkpointing: bool
    gpus: int
    sharding: Sharding

    @property
    def width(self) -> int:
        """Bytes of a parameter, gradient or activation in the training's dtype."""
        return BYTES[self.dtype]

    @property
    def adapter(self) -> int:
        """Parameters of the LoRA adapter; 0 in full fine-tuning."""
        if self.method == "full":
            return 0
        return self.shape.layers * sum(self.shape.adapter_matrices(self.rank, self.targets))

    @property
    def trainable(self) -> int:
        """Parameters that the optimizer changes."""
        return self.shape.parameters if self.method == "full" else self.adapter

    @property
    def tokens(self) -> int:
        """Tokens that a rank computes at once, at most."""
        return self.micro_batch * self.max_length

    def sharded(self, sharding: Sharding, method: Method | None = None) -> "Plan":
        """The same job with another sharding, or another method."""
        return replace(self, sharding=sharding, method=method or self.method)


def make_plan(config: TrainingConfig, shape: ModelShape, gpus: int) -> Plan:
    """Raises ConfigError where a LoRA target is no projection of a LLaMA-like layer."""
    unknown = sorted(set(config.lora.targets) - set(shape.linears()))
    if unknown and config.method != "full":
        raise ConfigError(
            f"lora.targets: {unknown[0]!r} matches no module of {config.base_model}; expected "
            f"some of {', '.join(shape.linears())}"
        )
    return Plan(
        shape=shape,
        method=config.method,
        rank=config.lora.r,
        targets=config.lora.targets,
        dropout=config.lora.dropout,
        dtype=config.dtype,
        micro_batch=config.micro_batch_size,
        max_length=config.max_length,
        checkpointing=config.gradient_checkpointing,
        gpus=gpus,
        sharding=read_sharding(deepspeed_settings(config, cuda=True), shape.hidden),
    )


def read_sharding(settings: JsonObject, hidden: int) -> Sharding:
    """What a DeepSpeed configuration says, for a model of width `hidden`."""
    zero = section(settings, "zero_optimization")
    stage = zero_stage(settings)

    def size(key: str, auto: int, default: int) -> int:
        value = zero.get(key, default)
        return int(value) if isinstance(value, int | float) else auto

    return Sharding(
        stage=stage,
        optimizer_on=offload_device(settings, "optimizer") if stage else ON_GPU,
        parameters_on=offload_device(settings, "param") if stage == 3 else ON_GPU,
        bucket=size("reduce_bucket_size", hidden * hidden, BUCKET),
        overlap=bool(zero.get("overlap_comm", stage == 3)),
        max_live=size("stage3_max_live_parameters", MAX_LIVE, MAX_LIVE),
        persistence=size("stage3_param_persistence_threshold", 10 * hidden, PERSISTENCE),
        sub_group=size("sub_group_size", SUB_GROUP, SUB_GROUP),
    )


def plain_sharding(
    stage: int, hidden: int, offload: tuple[str, str] = (ON_GPU, ON_GPU)
) -> Sharding:
    """A ZeRO stage as zero.py sets it up; `offload` says where (optimizer, parameters) live."""
    automatic = stage == 3
    return Sharding(
        stage=stage,
        optimizer_on=offload[0],
        parameters_on=offload[1],
        bucket=hidden * hidden if automatic else BUCKET,
        persistence=10 * hidden if automatic else PERSISTENCE,
    )
