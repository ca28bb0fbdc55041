"""Floating-point operations of a token: a multiplication and an addition count as two."""

from dataclasses import dataclass

from selfalign.training_settings.hyperparameters import Method
from selfalign_training.estimate.shapes import ModelShape


@dataclass(frozen=True, slots=True)
class TokenFlops:
    """Operations of one token in a sequence of mean length `sequence`."""

    matrices: int
    """Parameters that every token is multiplied with: projections and the output head."""
    attention: float
    """Of the forward pass's attention, causal: a token sees half the sequence."""
    trainable: int
    method: Method

    @property
    def forward(self) -> float:
        """2 for each weight, adapters included, and attention."""
        return 2 * (self.matrices + self._adapter) + self.attention

    @property
    def backward(self) -> float:
        """Gradients of activations cost as much as the forward pass (attention twice as much);
        gradients of weights as much again, but only for weights that train."""
        weights = 2 * (self.matrices if self.method == "full" else self.trainable)
        return 2 * (self.matrices + self._adapter) + 2 * self.attention + weights

    @property
    def model(self) -> float:
        """What the method needs: what MFU counts."""
        return self.forward + self.backward

    def computed(self, *, checkpointing: bool) -> float:
        """With what gradient checkpointing computes twice."""
        return self.model + (self.forward if checkpointing else 0.0)

    @property
    def _adapter(self) -> int:
        return 0 if self.method == "full" else self.trainable


def token_flops(shape: ModelShape, method: Method, trainable: int, sequence: float) -> TokenFlops:
    """Operations of a token among `sequence` others on average."""
    # Scores and weighted values: 2 x 2 x width x positions seen, which are half the sequence.
    attention = shape.layers * 4 * shape.attention_width * sequence / 2
    matrices = shape.layers * shape.layer_matrices + shape.embedding
    return TokenFlops(matrices, attention, trainable, method)
