"""The user's DeepSpeed file: its keys are checked before DeepSpeed sees it."""

import json
from pathlib import Path
from typing import Any

from selfalign.errors import ConfigError

# DeepSpeed ignores some keys that it does not know, and fails late over others.
KNOWN_TO_DEEPSPEED = """
    activation_checkpointing aio amp autotuning bf16 bfloat16 checkpoint comms_logger
    communication_data_type compile compression_training csv_monitor curriculum_learning
    data_efficiency data_types disable_allgather dump_state elasticity flops_profiler fp16
    gradient_accumulation_steps gradient_clipping gradient_predivide_factor
    memory_breakdown monitor_config optimizer prescale_gradients
    progressive_layer_drop scheduler seq_parallel_communication_data_type sparse_gradients
    steps_per_print tensorboard tensor_parallel timers torch_autocast train_batch_size
    train_micro_batch_size_per_gpu use_data_before_expert_parallelism
    use_node_local_storage wall_clock_breakdown wandb zero_allow_untested_optimizer
    zero_force_ds_cpu_optimizer zero_optimization
"""
ZERO = """
    stage allgather_partitions reduce_scatter reduce_bucket_size use_multi_rank_bucket_allreduce
    allgather_bucket_size overlap_comm contiguous_gradients load_from_fp32_weights
    elastic_checkpoint offload_param offload_optimizer sub_group_size cpu_offload_param
    cpu_offload_use_pin_memory cpu_offload ignore_unused_parameters legacy_stage1
    round_robin_gradients zero_hpz_partition_size zero_quantized_weights
    zero_quantized_nontrainable_weights zero_quantized_gradients memory_efficient_linear
    pipeline_loading_checkpoint override_module_apply log_trace_cache_warnings
    enable_sanity_checks leaf_module zenflow compute_grad_norm parameter_alignment
    save_muon_momentum_buffer_in_memory
    stage3_max_live_parameters stage3_max_reuse_distance stage3_prefetch_bucket_size
    stage3_param_persistence_threshold stage3_model_persistence_threshold
    stage3_gather_16bit_weights_on_model_save stage3_gather_fp16_weights_on_model_save
    stage3_module_granularity_threshold stage3_use_all_reduce_for_fetch_params
    stage3_allgather_sequential
"""
OFFLOAD_PARAM = "device nvme_path buffer_count buffer_size max_in_cpu pin_memory"
OFFLOAD_OPTIMIZER = """
    device nvme_path buffer_count pin_memory pipeline_read pipeline_write fast_init ratio
    cpuadam_cores_perc super_offload
"""
FP16 = """
    enabled auto_cast loss_scale initial_scale_power loss_scale_window hysteresis
    consecutive_hysteresis min_loss_scale fp16_master_weights_and_grads
"""
BF16 = """
    enabled immediate_grad_update check_grad_overflow bf16_master_weights_and_grads
    bf16_optimizer_states
"""
AIO = "block_size queue_depth intra_op_parallelism single_submit overlap_events use_gds"
KNOWN = {
    (): KNOWN_TO_DEEPSPEED,
    ("zero_optimization",): ZERO,
    ("zero_optimization", "offload_param"): OFFLOAD_PARAM,
    ("zero_optimization", "offload_optimizer"): OFFLOAD_OPTIMIZER,
    ("fp16",): FP16,
    ("bf16",): BF16,
    ("aio",): AIO,
    ("optimizer",): "type params legacy_fusion",
    ("scheduler",): "type params",
}
OURS = ("train_batch_size", "train_micro_batch_size_per_gpu", "gradient_accumulation_steps")


def read_deepspeed_file(path: Path) -> dict[str, Any]:
    """A DeepSpeed configuration whose batch sizes are left to us. Raises ConfigError."""
    place = f"deepspeed_config: {path}"
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{place}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{place}: not valid JSON: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{place}: expected a JSON object, found {type(values).__name__}")
    _refuse_unknown(values, place)
    for key in OURS:
        if values.get(key, "auto") != "auto":
            raise ConfigError(
                f'{place}: {key} is {values[key]!r}; expected "auto": batch sizes follow from '
                "global_batch_size and micro_batch_size"
            )
    zero = values.get("zero_optimization", {})
    stage = zero.get("stage", 0) if isinstance(zero, dict) else None
    if stage not in (0, 1, 2, 3):
        raise ConfigError(f"{place}: zero_optimization.stage is {stage!r}; expected 0, 1, 2 or 3")
    return values


def _refuse_unknown(values: dict[str, Any], place: str) -> None:
    unknown = []
    for path, known in KNOWN.items():
        section: Any = values
        for name in path:
            section = section.get(name) if isinstance(section, dict) else None
        if isinstance(section, dict):
            unknown += [".".join((*path, key)) for key in sorted(set(section) - set(known.split()))]
    if unknown:
        raise ConfigError(f"{place}: unknown DeepSpeed key {', '.join(unknown)}; correct or remove")
