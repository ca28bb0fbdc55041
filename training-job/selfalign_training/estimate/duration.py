"""Tokens, steps and hours: computing at a share of the peak, or the links where they are slower."""

from dataclasses import dataclass

from selfalign_training.configuration.batch_plan import BatchPlan
from selfalign_training.estimate.flops import TokenFlops, token_flops
from selfalign_training.estimate.gpus import Gpu
from selfalign_training.estimate.plan import Plan
from selfalign_training.estimate.weight_memory import base_bytes
from selfalign_training.estimate.workload import Workload

# Assumed: what best-fit packing fills of its sequences, where rows are many and of uneven length
# (the demo's 28 alike fill 0.74), and what padding to the longest of a sorted micro batch wastes
# (0.01 to 0.03 there). Fill decides how many steps there are, not how long their tokens take.
PACKED_FILL = 0.97
PADDING_SHARE = 0.05
# What collectives reach of a link's nominal rate.
LINK_SHARE = 0.8


@dataclass(frozen=True, slots=True)
class GpuCluster:
    """The machines that are asked about."""

    gpu: Gpu
    gpus: int
    gpus_per_node: int
    network_gb_s: float
    """Of each GPU to other nodes, one direction."""
    utilisation: float
    """Share of the peak that all computing reaches, recomputation included."""

    @property
    def link_gb_s(self) -> float:
        """The slowest link that a collective over all GPUs crosses."""
        if self.gpus <= self.gpus_per_node:
            return self.gpu.link_gb_s
        return min(self.gpu.link_gb_s, self.network_gb_s)


@dataclass(frozen=True, slots=True)
class Duration:
    """A job's length; seconds are of one optimizer step."""

    sequences: int
    """Of one epoch: rows, or packed sequences."""
    steps: int
    """Of all epochs."""
    tokens_per_step: float
    """Without padding."""
    computed_per_step: float
    """With padding."""
    flops: TokenFlops
    flops_per_step: float
    compute_s: float
    link_bytes: float
    """What one GPU sends in a step."""
    link_s: float

    @property
    def step_s(self) -> float:
        """Communication overlaps with computing: the longer of the two counts."""
        return max(self.compute_s, self.link_s)

    @property
    def hours(self) -> float:
        return self.steps * self.step_s / 3600


def estimate_duration(
    plan: Plan,
    batches: BatchPlan,
    work: Workload,
    epochs: int,
    cluster: GpuCluster,
    *,
    packed: bool,
) -> Duration:
    """How long the whole job takes."""
    sequences = work.rows
    if packed:
        sequences = -(-work.tokens // round(plan.max_length * PACKED_FILL))
    steps = batches.steps(sequences)
    tokens = work.tokens / steps
    computed = tokens if packed else tokens / (1 - PADDING_SHARE)
    flops = token_flops(plan.shape, plan.method, plan.trainable, work.tokens_per_row)
    per_step = computed * flops.computed(checkpointing=plan.checkpointing)
    sent = link_bytes(plan, batches.accumulation)
    return Duration(
        sequences=sequences,
        steps=epochs * steps,
        tokens_per_step=tokens,
        computed_per_step=computed,
        flops=flops,
        flops_per_step=per_step,
        compute_s=per_step / (cluster.gpus * cluster.gpu.tflops * 1e12 * cluster.utilisation),
        link_bytes=sent,
        link_s=sent / (cluster.link_gb_s * 1e9 * LINK_SHARE),
    )


def gathers(plan: Plan) -> int:
    """How often ZeRO-3 gathers the weights for a micro batch: forward, backward, recomputation."""
    return 3 if plan.checkpointing else 2


def link_bytes(plan: Plan, accumulation: int) -> float:
    """What one GPU sends in an optimizer step: gradients, and under ZeRO-3 the weights."""
    share = (plan.gpus - 1) / plan.gpus
    gradients = plan.trainable * plan.width * share
    match plan.sharding.stage:
        case 0 | 1:
            return 2 * gradients
        case 2:
            return (accumulation + 1) * gradients
    weights = base_bytes(plan)[0] + plan.adapter * plan.width
    return accumulation * (gathers(plan) * weights * share + gradients)
