"""Memory of the forward and backward pass: what autograd keeps, and what the loss needs.

Counted from the tensors that autograd saves in transformers' LLaMA with SDPA or flash attention,
peft's LoRA layers and TRL's tiled loss; a test compares it with what PyTorch really saves.
"""

from collections.abc import Iterator

from selfalign_training.estimate.memory_parts import Part
from selfalign_training.estimate.plan import Plan

# TRL's loss computes logits in tiles of so many tokens and vocabulary entries.
TILE_TOKENS = 4096
TILE_VOCABULARY = 32_768
ATTENTION_INPUT = ("q_proj", "k_proj", "v_proj")
MLP_INPUT = ("gate_proj", "up_proj")


def activation_parts(plan: Plan) -> Iterator[Part]:
    """Activations, backward temporaries and loss of one micro batch at its full length."""
    shape, tokens = plan.shape, plan.tokens
    per_layer = layer_bytes(plan)
    batch = f"{plan.micro_batch} x {plan.max_length} tokens"
    if plan.checkpointing:
        inputs = plan.width * shape.hidden * shape.layers * tokens
        yield Part(
            "activations (checkpointed)",
            inputs + per_layer * tokens,
            f"{batch} x ({shape.layers} layer inputs x {shape.hidden} x {plan.width} B + one layer "
            f"recomputed, {per_layer:,} B)",
            "backward",
        )
    else:
        yield Part(
            "activations",
            shape.layers * per_layer * tokens,
            f"{batch} x {shape.layers} layers x {per_layer:,} B",
            "backward",
        )
    temporaries = backward_bytes(plan)
    yield Part(
        "backward temporaries",
        temporaries * tokens,
        f"{batch} x {temporaries:,} B (norms and MLP of one layer)",
        "backward",
    )
    yield loss_part(plan)


def layer_bytes(plan: Plan) -> int:
    """Bytes that autograd saves of one layer for one token."""
    return sum(layer_terms(plan).values())


def layer_terms(plan: Plan) -> dict[str, int]:
    """The same by what it is kept for."""
    shape, width = plan.shape, plan.width
    full = plan.method == "full"
    attention = shape.attention_width
    return {
        # Norms compute in fp32; their outputs are needed for the weights' gradient alone.
        "norms": 2 * (4 * shape.hidden + 4) + (2 * width * shape.hidden if full else 0),
        # Queries, keys, values, output. SDPA under a mask repeats keys and values for every query
        # head and keeps the mask; variable-length attention needs neither.
        "attention": 4 * width * attention + 4 * shape.heads + width * plan.max_length,
        # silu(gate), gate and up; their product only where down_proj trains.
        "mlp": 3 * width * shape.intermediate,
        "linear inputs": _linear_inputs(plan),
        "adapters": 0 if full else width * plan.rank * len(plan.targets),
    }


def _linear_inputs(plan: Plan) -> int:
    """Inputs of the linear layers that train: a frozen weight needs none for its backward pass."""
    shape, width = plan.shape, plan.width
    linears = shape.linears()
    trained = tuple(linears) if plan.method == "full" else plan.targets
    shared = plan.method == "full" or plan.dropout == 0
    if not shared:
        # Every adapter drops out on its own: a copy of the input and a byte of mask for each.
        return sum((width + 1) * linears[name][0] for name in trained)
    # The input of o_proj is attention's output, which is kept already.
    kept = 0
    kept += width * shape.hidden * bool(set(trained) & set(ATTENTION_INPUT))
    kept += width * shape.hidden * bool(set(trained) & set(MLP_INPUT))
    kept += width * shape.intermediate * ("down_proj" in trained)
    return kept


def backward_bytes(plan: Plan) -> int:
    """Bytes for one token that live while one layer's gradients are computed."""
    norms = (20 + plan.width) * plan.shape.hidden
    return max(norms, 3 * plan.width * plan.shape.intermediate)


def loss_part(plan: Plan) -> Part:
    """TRL's loss never holds all logits: one tile, and the hidden state with its gradient."""
    shape, width, tokens = plan.shape, plan.width, plan.tokens
    tile = min(tokens, TILE_TOKENS) * TILE_VOCABULARY * width
    hidden = (2 * width + 4 + 4) * shape.hidden * tokens
    text = (
        f"tile of {min(tokens, TILE_TOKENS)} x {TILE_VOCABULARY} x {width} B + {tokens} tokens x "
        f"{shape.hidden} x {2 * width + 8} B (last hidden state, norm, gradient)"
    )
    weight = 0
    if plan.method == "full":
        weight = (4 + width) * shape.embedding
        text += f" + gradient of the head {shape.vocab} x {shape.hidden} x {4 + width} B"
    return Part("logits and loss", tile + hidden + weight, text, "backward")
