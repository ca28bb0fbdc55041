"""Finding a model's shape: its config.json on disk, or one of the shapes listed here."""

import json
from pathlib import Path

from selfalign.errors import ModelError
from selfalign_training.configuration.json_types import JsonObject
from selfalign_training.estimate.shapes import ModelShape


def _llama(name: str, hidden: int, intermediate: int, layers: int, heads: int) -> ModelShape:
    return ModelShape(
        name, hidden, intermediate, layers, heads, heads, hidden // heads, vocab=32_000
    )


def _seventy(name: str, vocab: int) -> ModelShape:
    return ModelShape(name, 8192, 28672, 80, 64, kv_heads=8, head_dim=128, vocab=vocab)


# The models' own config.json files; ids in lower case.
KNOWN = {
    shape.name.lower(): shape
    for shape in (
        _llama("huggyllama/llama-7b", 4096, 11008, 32, 32),
        _llama("huggyllama/llama-13b", 5120, 13824, 40, 40),
        _llama("huggyllama/llama-30b", 6656, 17920, 60, 52),
        _llama("huggyllama/llama-65b", 8192, 22016, 80, 64),
        _seventy("meta-llama/Llama-2-70b-hf", 32_000),
        _seventy("meta-llama/Meta-Llama-3-70B", 128_256),
        _seventy("meta-llama/Llama-3.1-70B", 128_256),
    )
}
QKV = ("q_proj", "k_proj", "v_proj")
FAMILIES = ("llama", "mistral", "qwen2", "qwen3")


def find_shape(base_model: str) -> ModelShape:
    """The shape of a model folder, of a listed hub id, or of a model in the hub's cache.

    Raises:
        ModelError: there is no config.json, or it is of no family that is known here.
    """
    folder = Path(base_model)
    if folder.is_dir():
        return read_shape(folder / "config.json", base_model)
    if (shape := KNOWN.get(base_model.lower())) is not None:
        return shape
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache(base_model, "config.json")
    if isinstance(cached, str):
        return read_shape(Path(cached), base_model)
    raise ModelError(
        f"base_model: the shape of {base_model} is not known here, and its config.json is not on "
        f"this machine; fetch it (`hf download {base_model} config.json`), name a folder, or one "
        f"of {', '.join(sorted(shape.name for shape in KNOWN.values()))}"
    )


def read_shape(path: Path, name: str) -> ModelShape:
    """The shape that a config.json describes. Raises ModelError."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        family = values["model_type"]
        if family not in FAMILIES:
            raise ModelError(
                f"base_model: {path}: model_type is {family!r}; expected one of "
                f"{', '.join(FAMILIES)}"
            )
        return _shape(values, family, name)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        found = f"no {error}" if isinstance(error, KeyError) else error
        raise ModelError(f"base_model: {path}: not a model's configuration: {found}") from error


def _shape(values: JsonObject, family: str, name: str) -> ModelShape:
    def number(key: str, default: int | None = None) -> int:
        value = values[key] if default is None else values.get(key) or default
        if not isinstance(value, int | float):
            raise TypeError(f"{key} is {value!r}; expected a number")
        return int(value)

    heads = number("num_attention_heads")
    hidden = number("hidden_size")
    biased: tuple[str, ...] = ()
    if values.get("attention_bias"):
        biased = (*QKV, "o_proj")
    if family == "qwen2":
        biased = QKV
    default_dim = 128 if family == "qwen3" else hidden // heads
    return ModelShape(
        name=name,
        hidden=hidden,
        intermediate=number("intermediate_size"),
        layers=number("num_hidden_layers"),
        heads=heads,
        kv_heads=number("num_key_value_heads", heads),
        head_dim=number("head_dim", default_dim),
        vocab=number("vocab_size"),
        tied=bool(values.get("tie_word_embeddings", False)),
        attention_bias=biased,
        mlp_bias=bool(values.get("mlp_bias", False)),
        head_norms=family == "qwen3",
    )
