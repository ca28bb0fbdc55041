"""config.json of a model folder: which family it is, and the shape of the model."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, PositiveInt

from selfalign.errors import ModelError
from selfalign.model_server.families.base import REQUIRED, Family
from selfalign.model_server.families.register import FAMILIES
from selfalign.model_server.transformer.model_folder import parse_keys, read_json
from selfalign.model_server.transformer.rotary import RotarySettings, rotary_settings

TokenIds = int | list[int] | None


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """The shape of a model: what the forward pass and the caches need to know of it."""

    family: Family
    layers: int
    hidden: int
    """Width of the residual stream."""
    intermediate: int
    """Width of the MLP's gate and up projections."""
    heads: int
    """Query heads."""
    kv_heads: int
    """Key and value heads; each serves heads / kv_heads query heads."""
    head_dim: int
    vocabulary: int
    max_positions: int
    """Tokens of prompt and completion together."""
    norm_eps: float
    tied: bool
    """Whether the output head is the embedding."""
    rotary: RotarySettings
    eos_token_ids: frozenset[int]


class _ConfigJson(BaseModel):
    """The keys of config.json that are read, named as transformers names them."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    num_hidden_layers: PositiveInt
    hidden_size: PositiveInt
    intermediate_size: PositiveInt
    num_attention_heads: PositiveInt
    num_key_value_heads: PositiveInt | None = None
    head_dim: PositiveInt | None = None
    vocab_size: PositiveInt
    max_position_embeddings: PositiveInt
    rms_norm_eps: float = 1e-6
    tie_word_embeddings: bool = False
    eos_token_id: TokenIds = None


class _GenerationConfigJson(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    eos_token_id: TokenIds = None


def load_config(folder: Path, families: tuple[Family, ...] = FAMILIES) -> ModelConfig:
    """Reads config.json and generation_config.json.

    Raises:
        ModelError: missing, or not a model that this server can run.
    """
    path = folder / "config.json"
    raw = read_json(path)
    family = _family(raw, families, path)
    for key, expected in {**REQUIRED, **family.required}.items():
        if raw.get(key, expected) != expected:
            raise ModelError(f"{path}: {key} is {raw[key]!r}; this server needs {expected!r}")
    config = parse_keys(_ConfigJson, raw, f"{path}: not a {family.name} config")
    head_dim = config.head_dim or config.hidden_size // config.num_attention_heads
    return ModelConfig(
        family=family,
        layers=config.num_hidden_layers,
        hidden=config.hidden_size,
        intermediate=config.intermediate_size,
        heads=config.num_attention_heads,
        kv_heads=config.num_key_value_heads or config.num_attention_heads,
        head_dim=head_dim,
        vocabulary=config.vocab_size,
        max_positions=config.max_position_embeddings,
        norm_eps=config.rms_norm_eps,
        tied=config.tie_word_embeddings,
        rotary=rotary_settings(raw, head_dim, path),
        eos_token_ids=_eos_token_ids(folder / "generation_config.json", config.eos_token_id),
    )


def _family(raw: dict[str, object], families: tuple[Family, ...], path: Path) -> Family:
    named = raw.get("architectures") or [raw.get("model_type")]
    for family in families:
        if named in ([family.architecture], [family.model_type]):
            return family
    known = ", ".join(family.architecture for family in families)
    raise ModelError(
        f"{path}: architectures is {named}; this server runs {known} only. "
        "Serve other models with TGI and give its address instead."
    )


def _eos_token_ids(generation: Path, of_config: TokenIds) -> frozenset[int]:
    """generation_config.json goes before config.json: chat models end turns by more than one."""
    found = of_config
    if generation.exists():
        raw = read_json(generation)
        if "eos_token_id" in raw:
            found = parse_keys(_GenerationConfigJson, raw, str(generation)).eos_token_id
    if found is None:
        return frozenset()
    return frozenset([found] if isinstance(found, int) else found)
