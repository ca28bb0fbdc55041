"""How a complete answer ends in training."""

from typing import Literal

EndOfTurn = Literal["token", "marker"]
"""token: the model's own, which engines stop at. marker: the layout's text alone, as published."""
