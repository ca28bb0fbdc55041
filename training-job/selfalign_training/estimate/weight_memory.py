"""Memory of the base model's weights and the adapter, and of what ZeRO-3 gathers."""

from collections.abc import Iterator

from selfalign_training.estimate.memory_parts import Part
from selfalign_training.estimate.plan import ON_GPU, Plan

# nf4: 4 bits, and an 8-bit scale for each 64 weights, of which 256 share an fp32 scale.
NF4_BYTES = 0.5 + 1 / 64 + 4 / (64 * 256)


def weight_parts(plan: Plan) -> Iterator[Part]:
    """Base model, adapter, and under ZeRO-3 what is whole on every GPU for a while or always."""
    place = plan.sharding.parameters_on
    shards = plan.gpus if plan.sharding.stage == 3 else 1
    over = f" / {shards} GPUs" if shards > 1 else ""
    base, arithmetic = base_bytes(plan)
    yield Part("base weights", int(base / shards), arithmetic + over, place=place)
    if plan.adapter:
        size = plan.adapter * plan.width
        yield Part(
            "adapter",
            size // shards,
            f"{adapter_text(plan)} = {plan.adapter:,} x {plan.width} B{over}",
            place=place,
        )
    if plan.sharding.stage == 3:
        yield from gathered_parts(plan)


def base_bytes(plan: Plan) -> tuple[float, str]:
    """Bytes of the base model on all GPUs together, with the arithmetic."""
    shape, width = plan.shape, plan.width
    if plan.method != "qlora":
        return shape.parameters * width, f"{shape.parameters:,} x {width} B"
    rest = shape.parameters - shape.quantizable
    size = shape.quantizable * NF4_BYTES + rest * width
    return size, f"{shape.quantizable:,} x {NF4_BYTES:.4f} B (nf4) + {rest:,} x {width} B"


def adapter_text(plan: Plan) -> str:
    """How many parameters LoRA adds, target by target."""
    linears = plan.shape.linears()
    widths = " + ".join(f"({linears[target][0]} + {linears[target][1]})" for target in plan.targets)
    return f"{plan.shape.layers} layers x rank {plan.rank} x ({widths})"


def gathered_parts(plan: Plan) -> Iterator[Part]:
    """ZeRO-3's working set, and the small parameters that it never shards."""
    shape, sharding, width = plan.shape, plan.sharding, plan.width
    # A module's parameters come together: the embedding may be larger than what may be live.
    live = min(shape.parameters, max(sharding.max_live, shape.embedding))
    size = live * width
    text = f"up to {live:,} parameters at once x {width} B"
    if plan.method == "qlora":
        size = int(live * base_bytes(plan)[0] / shape.parameters)
        text = f"up to {live:,} parameters at once, as quantized"
    yield Part("gathered weights (ZeRO-3)", size, text, "backward")
    small = persistent(plan)
    if small:
        yield Part(
            "unsharded small weights",
            small * width,
            f"{small:,} parameters in tensors below {sharding.persistence:,} x {width} B",
            place=ON_GPU,
        )


def persistent(plan: Plan) -> int:
    """Parameters in tensors below the threshold of ZeRO-3."""
    shape = plan.shape
    layer = list(shape.layer_vectors)
    if plan.method != "full":
        layer += shape.adapter_matrices(plan.rank, plan.targets)
    small = sum(size for size in layer if size < plan.sharding.persistence)
    final = shape.hidden if shape.hidden < plan.sharding.persistence else 0
    return shape.layers * small + final
