"""The shape of a LLaMA-like model, and how many parameters follow from it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelShape:
    """What config.json says of a decoder with gated MLPs; sizes in elements."""

    name: str
    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int
    tied: bool = False
    """Whether the output head is the embedding."""
    attention_bias: tuple[str, ...] = ()
    """The attention projections that have a bias."""
    mlp_bias: bool = False
    head_norms: bool = False
    """Whether queries and keys are normalised head by head (Qwen3)."""

    @property
    def attention_width(self) -> int:
        """Width of all query heads together."""
        return self.heads * self.head_dim

    @property
    def kv_width(self) -> int:
        """Width of all key heads together."""
        return self.kv_heads * self.head_dim

    def linears(self) -> dict[str, tuple[int, int]]:
        """(inputs, outputs) of one layer's projections, by the name that LoRA targets use."""
        return {
            "q_proj": (self.hidden, self.attention_width),
            "k_proj": (self.hidden, self.kv_width),
            "v_proj": (self.hidden, self.kv_width),
            "o_proj": (self.attention_width, self.hidden),
            "gate_proj": (self.hidden, self.intermediate),
            "up_proj": (self.hidden, self.intermediate),
            "down_proj": (self.intermediate, self.hidden),
        }

    @property
    def layer_matrices(self) -> int:
        """Parameters of one layer's projections, biases left out."""
        return sum(inputs * outputs for inputs, outputs in self.linears().values())

    @property
    def layer_vectors(self) -> list[int]:
        """Sizes of one layer's norms and biases."""
        linears = self.linears()
        mlp = ("gate_proj", "up_proj", "down_proj") if self.mlp_bias else ()
        biases = [linears[name][1] for name in (*self.attention_bias, *mlp)]
        return [self.hidden, self.hidden, *biases, *([self.head_dim] * 2 * self.head_norms)]

    @property
    def embedding(self) -> int:
        """Parameters of the embedding; the output head has as many."""
        return self.vocab * self.hidden

    @property
    def parameters(self) -> int:
        """Parameters of the whole model."""
        tables = self.embedding if self.tied else 2 * self.embedding
        return tables + self.layers * self.layer_parameters + self.hidden

    @property
    def layer_parameters(self) -> int:
        """Parameters of one layer."""
        return self.layer_matrices + sum(self.layer_vectors)

    @property
    def quantizable(self) -> int:
        """Parameters that QLoRA keeps in 4 bits: the projections of all layers."""
        return self.layers * self.layer_matrices

    def adapter_matrices(self, rank: int, targets: tuple[str, ...]) -> list[int]:
        """Sizes of one layer's LoRA matrices: rank x inputs and outputs x rank for each target."""
        linears = self.linears()
        return [rank * width for target in targets for width in linears[target]]
