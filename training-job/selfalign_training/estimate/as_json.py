"""The estimate as JSON-serialisable values."""

from selfalign_training.configuration.json_types import JsonObject
from selfalign_training.estimate.job_estimate import Estimate
from selfalign_training.estimate.memory import CONTEXT_BYTES
from selfalign_training.estimate.memory_parts import GIB
from selfalign_training.estimate.plan import ON_GPU


def as_json(estimate: Estimate) -> JsonObject:
    """All figures; memory in bytes."""
    plan, cluster = estimate.plan, estimate.cluster
    return {
        "base_model": estimate.config.base_model,
        "parameters": plan.shape.parameters,
        "trainable_parameters": plan.trainable,
        "method": plan.method,
        "zero_stage": plan.sharding.stage,
        "gpu": cluster.gpu.name,
        "gpus": cluster.gpus,
        "memory": _memory(estimate),
        "alternatives": [
            {
                "method": item.method,
                "zero_stage": item.sharding.stage,
                "optimizer_on": item.sharding.optimizer_on,
                "parameters_on": item.sharding.parameters_on,
                "gpu_bytes": item.bytes,
                "fits": item.fits,
            }
            for item in estimate.alternatives
        ],
        "time": _time(estimate),
        "notes": list(estimate.notes),
    }


def _memory(estimate: Estimate) -> JsonObject:
    """Of one GPU, and of its rank's share of host and disk."""
    memory = estimate.memory
    return {
        "parts": [
            {
                "name": part.name,
                "bytes": part.bytes,
                "when": part.when,
                "place": "gpu" if part.place == ON_GPU else part.place,
                "arithmetic": part.arithmetic,
            }
            for part in memory.parts
        ],
        "fragmentation_bytes": memory.fragmentation,
        "context_bytes": CONTEXT_BYTES,
        "gpu_bytes": memory.total,
        "gpu_limit_bytes": int(estimate.cluster.gpu.memory_gib * GIB),
        "fits": estimate.fits,
        "host_bytes_per_rank": memory.off_gpu("cpu"),
        "nvme_bytes_per_rank": memory.off_gpu("nvme"),
    }


def _time(estimate: Estimate) -> JsonObject:
    """The workload, and how long it takes."""
    duration, work = estimate.duration, estimate.work
    return {
        "rows": work.rows,
        "rows_from": work.rows_from,
        "tokens_per_row": work.tokens_per_row,
        "tokens_from": work.tokens_from,
        "tokens": work.tokens,
        "packed": estimate.packed,
        "sequences": duration.sequences,
        "steps": duration.steps,
        "tokens_per_step": duration.tokens_per_step,
        "flops_per_token": duration.flops.computed(checkpointing=estimate.plan.checkpointing),
        "model_flops_per_token": duration.flops.model,
        "utilisation": estimate.cluster.utilisation,
        "compute_s": duration.compute_s,
        "link_s": duration.link_s,
        "step_s": duration.step_s,
        "hours": duration.hours,
    }
