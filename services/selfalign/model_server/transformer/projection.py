"""A projection of the forward pass, in the order in memory that its number of rows wants."""

from dataclasses import dataclass, replace

import torch
from torch.nn.functional import linear

PACKED_ROWS = 4
"""With fewer rows the plain product is as fast or faster."""


@dataclass(frozen=True, slots=True)
class Projection:
    """x W^T + b."""

    weight: torch.Tensor
    """(outputs, inputs)"""
    bias: torch.Tensor | None = None
    """(outputs,)"""
    packed: torch.Tensor | None = None
    """A copy of the weight in oneDNN's blocks, for which a plain product of a few dozen rows orders
    the whole matrix anew each time."""

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """(rows, inputs) to (rows, outputs)."""
        if self.packed is None or len(x) < PACKED_ROWS:
            return linear(x, self.weight, self.bias)
        product: torch.Tensor = torch.ops.mkldnn._linear_pointwise(
            x, self.packed, self.bias, "none", [], ""
        )
        return product

    @property
    def bytes(self) -> int:
        """Of the weight, or of its copy."""
        return self.weight.numel() * self.weight.element_size()

    def pack(self, rows: int) -> "Projection":
        """With the copy, made for products of about `rows` rows; without it where PyTorch was built
        without oneDNN."""
        if not torch._C._has_mkldnn:
            return self
        packed = torch.ops.mkldnn._reorder_linear_weight(self.weight, rows)
        return replace(self, packed=packed)
