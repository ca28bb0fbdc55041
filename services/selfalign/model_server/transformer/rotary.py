"""Rotary position embeddings (RoFormer; Su et al. 2021), plain or with LLaMA 3's frequencies.

Pair i of a head's dimensions is turned by position * theta^(-2i / head_dim) radians, in queries and
keys alike, so that their product depends on the distance of two tokens only. That is why a cached
key stays valid for every later query, and why a prefix can be computed once for all rows: its
tokens have the same positions in each of them.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict

from selfalign.errors import ModelError
from selfalign.model_server.transformer.model_folder import parse_keys


@dataclass(frozen=True, slots=True)
class RotarySettings:
    """What a config says of its rotary embedding."""

    theta: float
    """Base of the wavelengths, in tokens: pair i turns once in 2 pi theta^(2i / head_dim)."""
    head_dim: int
    factor: float = 1.0
    """How much longer the long wavelengths are made. 1: the plain kind; above: LLaMA 3's."""
    low_freq_factor: float = 1.0
    """Wavelengths above original_positions / low_freq_factor are stretched by `factor`."""
    high_freq_factor: float = 4.0
    """Wavelengths below original_positions / high_freq_factor stay as they are."""
    original_positions: int = 8192
    """Tokens of context before it was extended."""


class _Llama3Parameters(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    factor: float
    low_freq_factor: float
    high_freq_factor: float
    original_max_position_embeddings: int


class _Theta(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    rope_theta: float = 10000.0


def rotary_settings(config: dict[str, object], head_dim: int, path: Path) -> RotarySettings:
    """Reads `rope_parameters` (new) or `rope_theta` and `rope_scaling` (old).

    Raises:
        ModelError: a kind other than default and llama3, or a value is missing or no number.
    """
    found = config.get("rope_parameters") or config.get("rope_scaling") or {}
    parameters = found if isinstance(found, dict) else {}
    kind = parameters.get("rope_type", parameters.get("type", "default"))
    theta = parse_keys(_Theta, {**config, **parameters}, str(path)).rope_theta
    if kind == "default":
        return RotarySettings(theta, head_dim)
    if kind != "llama3":
        raise ModelError(
            f"{path}: rope_type is {kind!r}; this server knows 'default' and 'llama3'. "
            "Serve this model with TGI and give its address instead."
        )
    llama3 = parse_keys(_Llama3Parameters, parameters, f"{path}: llama3 rotary embedding")
    return RotarySettings(
        theta=theta,
        head_dim=head_dim,
        factor=llama3.factor,
        low_freq_factor=llama3.low_freq_factor,
        high_freq_factor=llama3.high_freq_factor,
        original_positions=llama3.original_max_position_embeddings,
    )


def rotary_tables(
    settings: RotarySettings, positions: int, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosines and signed sines, each (positions, head_dim).

    The first half of the sines is negated, so that rotating is x * cos + swap_halves(x) * sin.
    """
    # frequency: (head_dim / 2,), radians a token. fp32 whatever the model's dtype: bf16 has 8 bits
    # of mantissa, and position 1000 times a rounded frequency is off by whole radians.
    steps = torch.arange(0, settings.head_dim, 2, dtype=torch.float32) / settings.head_dim
    frequency = 1.0 / settings.theta**steps
    if settings.factor != 1.0:
        # Short wavelengths tell neighbours apart and stay; long ones would meet angles that the
        # model has not seen in its first training, so they are stretched; `smooth` goes from 0
        # (stretched) to 1 (as it was) between the two.
        wavelength = 2 * math.pi / frequency
        low, high = settings.low_freq_factor, settings.high_freq_factor
        smooth = (settings.original_positions / wavelength - low) / (high - low)
        smooth = smooth.clamp(0.0, 1.0)
        frequency = (1 - smooth) * frequency / settings.factor + smooth * frequency
    angle = torch.outer(torch.arange(positions, dtype=torch.float32), frequency)
    sine = angle.sin()
    # Checkpoints in this layout pair dimension i with i + head_dim / 2, not with i + 1.
    cosine = torch.cat([angle.cos(), angle.cos()], dim=-1)
    return cosine.to(dtype), torch.cat([-sine, sine], dim=-1).to(dtype)


def rotate(x: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
    """Turns the heads of each token to its position.

    Args:
        x: (tokens, heads, head_dim), queries or keys.
        cosine, sine: rows of the tables, (tokens, 1, head_dim).

    Returns:
        (tokens, heads, head_dim)
    """
    half = x.shape[-1] // 2
    return torch.addcmul(x * cosine, x.roll(half, dims=-1), sine)
