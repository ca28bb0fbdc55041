"""Whether DeepSpeed knows every key of the user's file, asked of DeepSpeed itself.

DeepSpeed ignores some keys that it does not know, and fails late over others. Its nested sections
are pydantic models, whose fields say what there is. Of the top level it has no model: there its own
reader is given an empty configuration that notes which keys are looked up.
"""

from collections.abc import Iterator, KeysView, Mapping
from importlib.util import find_spec
from pathlib import Path
from types import UnionType
from typing import Union, get_args, get_origin

from pydantic import BaseModel, JsonValue, ValidationError

from selfalign.errors import ConfigError
from selfalign.settings.documents import describe
from selfalign_training.configuration.deepspeed_file import (
    OURS,
    describe_place,
    read_deepspeed_file,
)
from selfalign_training.configuration.json_types import JsonObject


def can_ask_deepspeed() -> bool:
    """Whether DeepSpeed is installed here: a machine that only checks files may do without."""
    return find_spec("deepspeed") is not None


def check_deepspeed_keys(path: Path) -> None:
    """Raises ConfigError where DeepSpeed does not know a key, or refuses a value."""
    from deepspeed.runtime.config import DeepSpeedConfig, DeepSpeedConfigError

    values = read_deepspeed_file(path)
    place = describe_place(path)
    unknown = [key for key in values if key not in known_at_the_top()]
    for section, known in known_in_sections().items():
        unknown += _unknown(values.get(section), known, section)
    if unknown:
        raise ConfigError(f"{place}: unknown DeepSpeed key {', '.join(unknown)}; correct or remove")
    try:
        DeepSpeedConfig(dict.fromkeys(OURS, 1) | _without_auto(values))
    except ValidationError as error:
        raise ConfigError(describe(error, f"{place}: {error.title}")) from error
    except (DeepSpeedConfigError, AssertionError, AttributeError, TypeError, ValueError) as error:
        # Among others a key of an earlier version; DeepSpeed's message names key and remedy.
        raise ConfigError(f"{place}: DeepSpeed refuses it: {error}") from error


Known = type[BaseModel] | frozenset[str]
"""What a section may hold: a model's fields, or plain keys."""


def known_at_the_top() -> frozenset[str]:
    """The keys that DeepSpeed's reader looks up."""
    from deepspeed.runtime.config import DeepSpeedConfig

    noting = _LookUps(dict.fromkeys(OURS, 1))
    DeepSpeedConfig(noting)
    return frozenset(noting.keys_asked)


def known_in_sections() -> dict[str, Known]:
    """What DeepSpeed takes in its sections, by their names."""
    from deepspeed.runtime import constants, precision_config
    from deepspeed.runtime.swap_tensor import aio_config
    from deepspeed.runtime.zero import config as zero

    return {
        zero.ZERO_OPTIMIZATION: zero.DeepSpeedZeroConfig,
        precision_config.FP16: precision_config.DeepSpeedFP16Config,
        precision_config.BFLOAT16: precision_config.DeepSpeedBF16Config,
        aio_config.AIO: frozenset(aio_config.AIO_DEFAULT_DICT),
        constants.OPTIMIZER: frozenset(
            {constants.TYPE, constants.OPTIMIZER_PARAMS, constants.LEGACY_FUSION}
        ),
        constants.SCHEDULER: frozenset({constants.TYPE, constants.SCHEDULER_PARAMS}),
    }


def _unknown(values: JsonValue, known: Known, place: str) -> Iterator[str]:
    """Dotted names of the keys of a section that are not known, those of its own sections too."""
    if not isinstance(values, dict):
        return
    inner = {} if isinstance(known, frozenset) else _sections(known)
    names = known if isinstance(known, frozenset) else _names(known)
    for key, value in values.items():
        if key not in names:
            yield f"{place}.{key}"
        elif key in inner:
            yield from _unknown(value, inner[key], f"{place}.{key}")


def _names(model: type[BaseModel]) -> set[str]:
    """What a model's fields are called in a file."""
    return {field.alias or name for name, field in model.model_fields.items()}


def _sections(model: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """The fields of a model that are models themselves."""
    found = {}
    for name, field in model.model_fields.items():
        union = get_origin(field.annotation) in (Union, UnionType)
        for kind in get_args(field.annotation) if union else (field.annotation,):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                found[field.alias or name] = kind
    return found


def _without_auto(values: JsonObject) -> JsonObject:
    """The values without those that are filled in when training starts."""
    return {
        key: _without_auto(value) if isinstance(value, dict) else value
        for key, value in values.items()
        if value != "auto"
    }


class _LookUps(dict[str, JsonValue]):
    """A dictionary that notes which keys it is asked for."""

    def __init__(self, values: Mapping[str, JsonValue]) -> None:
        super().__init__(values)
        self.keys_asked: set[str] = set()

    def __contains__(self, key: object) -> bool:
        self.keys_asked.add(str(key))
        return super().__contains__(key)

    def __getitem__(self, key: str) -> JsonValue:
        self.keys_asked.add(key)
        return super().__getitem__(key)

    def get(self, key: str, default: JsonValue = None) -> JsonValue:  # type: ignore[override]
        self.keys_asked.add(key)
        return super().get(key, default)

    def keys(self) -> KeysView[str]:  # type: ignore[override]
        # dict's own view would look keys up unseen.
        return KeysView(self)
