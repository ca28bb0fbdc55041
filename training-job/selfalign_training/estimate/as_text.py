"""The estimate as text that a reader can check line by line."""

from collections.abc import Iterator

from selfalign_training.estimate.activations import layer_terms
from selfalign_training.estimate.duration import LINK_SHARE, PACKED_FILL, PADDING_SHARE, gathers
from selfalign_training.estimate.job_estimate import Alternative, Estimate
from selfalign_training.estimate.memory import CONTEXT_BYTES, FRAGMENTATION
from selfalign_training.estimate.memory_parts import GIB, Part
from selfalign_training.estimate.plan import ON_GPU, Sharding


def as_text(estimate: Estimate) -> str:
    """Model and job, memory of a GPU by part, alternatives, time."""
    sections = (model_lines, memory_lines, alternative_lines, time_lines, note_lines)
    blocks = ("\n".join(section(estimate)) for section in sections)
    return "\n\n".join(block for block in blocks if block)


def model_lines(estimate: Estimate) -> Iterator[str]:
    """What is estimated: model, method, GPUs, batch."""
    plan, cluster, config = estimate.plan, estimate.cluster, estimate.config
    shape, batches = plan.shape, estimate.batches
    yield f"Model      {config.base_model}: {shape.parameters:,} parameters"
    yield (
        f"           {shape.layers} layers, hidden {shape.hidden}, intermediate "
        f"{shape.intermediate}, {shape.heads} heads ({shape.kv_heads} of keys and values) of "
        f"{shape.head_dim}, vocabulary {shape.vocab}"
    )
    yield (
        f"Method     {plan.method}, {plan.trainable:,} trainable parameters "
        f"({plan.trainable / shape.parameters:.3%}), {plan.dtype}, {zero_name(plan.sharding)}, "
        f"gradient checkpointing {'on' if plan.checkpointing else 'off'}"
    )
    yield (
        f"GPUs       {cluster.gpus} x {cluster.gpu.name} ({cluster.gpu.memory_gib} GiB, "
        f"{cluster.gpu.tflops:g} TFLOP/s dense), {cluster.gpus_per_node} a node"
    )
    yield (
        f"Batch      {batches.global_batch_size} sequences a step = {batches.micro_batch_size} x "
        f"{batches.ranks} GPUs x {batches.accumulation} accumulated; max_length {plan.max_length}"
    )


def memory_lines(estimate: Estimate) -> Iterator[str]:
    """Part after part, and where offloaded parts go."""
    memory = estimate.memory
    yield f"Memory of one GPU{'':<14}{'GiB':>9}  arithmetic"
    for part in memory.parts:
        if part.place == ON_GPU:
            yield part_line(part)
            if part.name.startswith("activations"):
                terms = ", ".join(
                    f"{name} {size:,}" for name, size in layer_terms(estimate.plan).items() if size
                )
                yield f"{'':<43}B a token and layer: {terms}"
    backward, step = memory.on_gpu("backward"), memory.on_gpu("step")
    if step:
        yield row("not at the same time", -min(backward, step), "the smaller of step and backward")
    yield row(
        "fragmentation reserve",
        memory.fragmentation,
        f"{FRAGMENTATION:.0%} of what PyTorch allocates, {memory.allocated / GIB:.2f} GiB",
    )
    yield row("CUDA context, NCCL", CONTEXT_BYTES, "assumed")
    verdict = "fits" if estimate.fits else "DOES NOT FIT"
    yield row("total", memory.total, f"{verdict}: {estimate.cluster.gpu.memory_gib} GiB a GPU")
    for place, name in (("cpu", "host memory"), ("nvme", "NVMe")):
        if size := memory.off_gpu(place):
            ranks = min(estimate.cluster.gpus, estimate.cluster.gpus_per_node)
            yield row(f"{name} of a node", size * ranks, f"offloaded, {ranks} ranks")
            yield from (part_line(part) for part in memory.parts if part.place == place)


def part_line(part: Part) -> str:
    """One part; what is there in one phase alone is marked."""
    marks = {"always": "", "backward": " b", "step": " s"}
    return row(part.name + marks[part.when], part.bytes, part.arithmetic)


def row(name: str, size: int, text: str) -> str:
    """Name, GiB, arithmetic."""
    return f"  {name:<29}{size / GIB:>9.2f}  {text}"


def alternative_lines(estimate: Estimate) -> Iterator[str]:
    """A table of methods by ZeRO stages, in GiB; * fits."""
    names = list(dict.fromkeys(zero_name(item.sharding) for item in estimate.alternatives))
    yield "GiB of one GPU by method and ZeRO stage (* fits)"
    yield f"  {'':<8}" + "".join(f"{name:>{max(11, len(name) + 3)}}" for name in names)
    by_method: dict[str, list[Alternative]] = {}
    for item in estimate.alternatives:
        by_method.setdefault(item.method, []).append(item)
    for method, items in by_method.items():
        cells = (
            f"{item.bytes / GIB:>{max(11, len(name) + 3) - 1}.1f}{'*' if item.fits else ' '}"
            for name, item in zip(names, items, strict=True)
        )
        yield f"  {method:<8}" + "".join(cells)


def time_lines(estimate: Estimate) -> Iterator[str]:
    """From rows to hours."""
    work, duration, cluster = estimate.work, estimate.duration, estimate.cluster
    plan, flops = estimate.plan, duration.flops
    yield "Time"
    yield f"  rows        {work.rows:,} ({work.rows_from})"
    yield (
        f"  tokens      {work.tokens:,} an epoch = rows x {work.tokens_per_row:.1f} "
        f"({work.tokens_from})"
    )
    if estimate.packed:
        yield (
            f"  sequences   {duration.sequences:,} = tokens / ({plan.max_length} x {PACKED_FILL} "
            "filled), packed"
        )
    else:
        yield f"  sequences   {duration.sequences:,} rows, not packed; {PADDING_SHARE:.0%} padding"
    yield (
        f"  steps       {duration.steps:,} = {estimate.config.epochs} epoch(s) x ceil("
        f"{duration.sequences:,} / {estimate.batches.global_batch_size}); "
        f"{duration.tokens_per_step:,.0f} tokens a step, {duration.computed_per_step:,.0f} computed"
    )
    yield (
        f"  forward     {flops.forward:.4g} FLOP a token = 2 x {flops.matrices:,} weights + "
        f"attention {flops.attention:.3g}"
        + (f" + 2 x {plan.trainable:,} of the adapter" if plan.method != "full" else "")
    )
    yield (
        f"  backward    {flops.backward:.4g} = activations' gradients as forward, attention twice"
        + (
            ", weights' gradients as forward"
            if plan.method == "full"
            else "; weights' gradients of the adapter alone"
        )
    )
    if plan.checkpointing:
        yield f"  recomputed  {flops.forward:.4g} by gradient checkpointing"
    total = flops.computed(checkpointing=plan.checkpointing)
    yield (
        f"  computing   {duration.compute_s:.2f} s a step = {duration.computed_per_step:,.0f} x "
        f"{total:.4g} / ({cluster.gpus} x {cluster.gpu.tflops:g}e12 x {cluster.utilisation:g})"
    )
    yield (
        f"  utilisation {cluster.utilisation:g} of the peak, recomputation included (assumed, "
        f"--utilisation) = MFU {cluster.utilisation * flops.model / total:.2f}"
    )
    yield (
        f"  links       {duration.link_s:.2f} s a step = {duration.link_bytes / 1e9:.1f} GB sent "
        f"by a GPU{link_text(estimate)} / ({cluster.link_gb_s:g} GB/s x {LINK_SHARE})"
    )
    bound = "computing" if duration.compute_s >= duration.link_s else "links"
    yield (
        f"  step        {duration.step_s:.2f} s, bound by {bound}; "
        f"{duration.tokens_per_step / duration.step_s:,.0f} tokens/s, "
        f"{duration.tokens_per_step / duration.step_s / cluster.gpus:,.0f} a GPU"
    )
    yield (
        f"  hours       {duration.hours:.2f} = {duration.steps:,} x {duration.step_s:.2f} s / 3600 "
        f"({duration.hours * cluster.gpus:.1f} GPU hours), start-up and checkpoints left out"
    )


def link_text(estimate: Estimate) -> str:
    """What is sent, in words."""
    if estimate.plan.sharding.stage < 3:
        return ", gradients"
    return (
        f", weights gathered {gathers(estimate.plan)} times x {estimate.batches.accumulation} "
        "micro batches"
    )


def note_lines(estimate: Estimate) -> Iterator[str]:
    """Marks explained, and what is odd about this combination."""
    yield "b: in the backward pass only; s: in the optimizer step only"
    yield from (f"note: {text}" for text in estimate.notes)


def zero_name(sharding: Sharding) -> str:
    """E.g. ZeRO-3 opt+param cpu."""
    what = [
        f"{name} {place}"
        for name, place in (("opt", sharding.optimizer_on), ("param", sharding.parameters_on))
        if place != ON_GPU
    ]
    return " ".join([f"ZeRO-{sharding.stage}", *what])
