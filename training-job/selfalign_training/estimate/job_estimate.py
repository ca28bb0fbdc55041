"""The whole estimate of a configuration on a cluster."""

from dataclasses import dataclass

from selfalign.training_settings.hyperparameters import Method
from selfalign_training.configuration.batch_plan import BatchPlan, plan_batches
from selfalign_training.configuration.training_config import TrainingConfig
from selfalign_training.estimate.duration import Duration, GpuCluster, estimate_duration
from selfalign_training.estimate.known import find_shape
from selfalign_training.estimate.memory import Memory, estimate_memory
from selfalign_training.estimate.memory_parts import GIB
from selfalign_training.estimate.plan import (
    ON_GPU,
    Plan,
    Sharding,
    make_plan,
    plain_sharding,
)
from selfalign_training.estimate.workload import Workload, find_workload

OFFLOADS = ((ON_GPU, ON_GPU), ("cpu", ON_GPU), ("cpu", "cpu"))


@dataclass(frozen=True, slots=True)
class Alternative:
    """The same job with another method or sharding."""

    method: Method
    sharding: Sharding
    bytes: int
    """Of one GPU."""
    fits: bool


@dataclass(frozen=True, slots=True)
class Estimate:
    """Memory and duration of a job, and what else would fit."""

    config: TrainingConfig
    plan: Plan
    batches: BatchPlan
    cluster: GpuCluster
    work: Workload
    packed: bool
    memory: Memory
    duration: Duration
    alternatives: tuple[Alternative, ...]
    notes: tuple[str, ...]

    @property
    def fits(self) -> bool:
        """Whether a GPU's memory is enough."""
        return self.memory.total <= self.cluster.gpu.memory_gib * GIB


def make_estimate(
    config: TrainingConfig, cluster: GpuCluster, rows: int | None, tokens_per_row: float | None
) -> Estimate:
    """Works out everything from the configuration and the model's config.json.

    Raises:
        ConfigError: batches do not divide, a target is unknown, rows are neither given nor found.
        ModelError: the model's shape is not known.
        DataError: the stage accepted no rows.
    """
    if config.dtype == "auto":
        dtype = "bf16" if cluster.gpu.bf16 else "fp16"
        config = config.model_copy(update={"dtype": dtype})
    shape = find_shape(config.base_model)
    batches = plan_batches(config.global_batch_size, config.micro_batch_size, cluster.gpus)
    plan = make_plan(config, shape, cluster.gpus)
    work = find_workload(config, rows, tokens_per_row)
    # As the trainer decides on CUDA: variable-length attention needs 16 bits and an Ampere card.
    varlen = cluster.gpu.bf16 and config.dtype != "fp32"
    packed = varlen if config.packing == "auto" else config.packing
    return Estimate(
        config=config,
        plan=plan,
        batches=batches,
        cluster=cluster,
        work=work,
        packed=packed,
        memory=estimate_memory(plan),
        duration=estimate_duration(plan, batches, work, config.epochs, cluster, packed=packed),
        alternatives=tuple(alternatives(plan, cluster)),
        notes=tuple(notes(config, cluster)),
    )


def alternatives(plan: Plan, cluster: GpuCluster) -> list[Alternative]:
    """Every method under every ZeRO stage, and stage 3 with offload to the CPU."""
    limit = cluster.gpu.memory_gib * GIB
    found = []
    methods: tuple[Method, ...] = ("lora", "qlora", "full")
    for method in methods:
        for stage in range(4):
            for offload in OFFLOADS if stage == 3 else OFFLOADS[:1]:
                sharding = plain_sharding(stage, plan.shape.hidden, offload)
                total = estimate_memory(plan.sharded(sharding, method)).total
                found.append(Alternative(method, sharding, total, total <= limit))
    return found


def notes(config: TrainingConfig, cluster: GpuCluster) -> list[str]:
    """What a reader should know of this combination."""
    found = []
    if config.dtype == "bf16" and not cluster.gpu.bf16:
        found.append(f"{cluster.gpu.name} does not compute in bf16: set dtype: fp16")
    if config.dtype == "fp32":
        found.append("dtype fp32 does not reach the 16-bit peak that the hours are worked out from")
    return found
