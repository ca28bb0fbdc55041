"""Rotary position embeddings: the plain kind and LLaMA 3's rescaled frequencies."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from selfalign.errors import ModelError


@dataclass(frozen=True, slots=True)
class RotarySettings:
    """What a config says of its rotary embedding."""

    theta: float
    head_dim: int
    factor: float = 1.0
    """1: the plain kind; above: LLaMA 3's."""
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0
    original_positions: int = 8192


def rotary_settings(config: dict[str, Any], head_dim: int, path: Path) -> RotarySettings:
    """Reads `rope_parameters` (new) or `rope_theta` and `rope_scaling` (old).

    Raises:
        ModelError: a kind other than default and llama3.
    """
    parameters = config.get("rope_parameters") or config.get("rope_scaling") or {}
    kind = parameters.get("rope_type", parameters.get("type", "default"))
    theta = float(parameters.get("rope_theta", config.get("rope_theta", 10000.0)))
    if kind == "default":
        return RotarySettings(theta, head_dim)
    if kind != "llama3":
        raise ModelError(
            f"{path}: rope_type is {kind!r}; this server knows 'default' and 'llama3'. "
            "Serve this model with TGI and give its address instead."
        )
    return RotarySettings(
        theta=theta,
        head_dim=head_dim,
        factor=float(parameters["factor"]),
        low_freq_factor=float(parameters["low_freq_factor"]),
        high_freq_factor=float(parameters["high_freq_factor"]),
        original_positions=int(parameters["original_max_position_embeddings"]),
    )


def rotary_tables(
    settings: RotarySettings, positions: int, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosines and signed sines, each (positions, head_dim).

    The first half of the sines is negated, so that rotating is x * cos + swap_halves(x) * sin.
    """
    steps = torch.arange(0, settings.head_dim, 2, dtype=torch.float32) / settings.head_dim
    frequency = 1.0 / settings.theta**steps
    if settings.factor != 1.0:
        wavelength = 2 * math.pi / frequency
        low, high = settings.low_freq_factor, settings.high_freq_factor
        smooth = (settings.original_positions / wavelength - low) / (high - low)
        smooth = smooth.clamp(0.0, 1.0)
        frequency = (1 - smooth) * frequency / settings.factor + smooth * frequency
    angle = torch.outer(torch.arange(positions, dtype=torch.float32), frequency)
    sine = angle.sin()
    cosine = torch.cat([angle.cos(), angle.cos()], dim=-1)
    return cosine.to(dtype), torch.cat([-sine, sine], dim=-1).to(dtype)


def rotate(x: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
    """Rotates x (tokens, heads, head_dim) by tables (tokens, 1, head_dim)."""
    half = x.shape[-1] // 2
    return torch.addcmul(x * cosine, x.roll(half, dims=-1), sine)
