"""Finding a model's chat template in the files beside its weights, without transformers."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from selfalign.errors import ConfigError, ModelError
from selfalign.layout.chat_template import ChatTemplate
from selfalign.settings.documents import validate

ReadFile = Callable[[str], str | None]
"""The text of a file of the model's folder; None where there is no such file."""
NAMES = (
    "chat_template.jinja",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "generation_config.json",
    "tokenizer.json",
)
"""All that is read here."""
DEFAULT = "default"
Values = Mapping[str, Any]


def find_chat_template(read: ReadFile, origin: str) -> ChatTemplate | None:
    """The template of a model's folder, with all that is needed to follow it.

    A file chat_template.jinja goes before `chat_template` of tokenizer_config.json; of several
    named templates it is the one named `default`, as in transformers.

    Args:
        origin: The folder's name, for messages.

    Returns:
        None where the model has no chat template.

    Raises:
        ConfigError: there are templates, but none is the default; no token ends an answer.
        ModelError: a file is damaged.
    """
    config = _json(read, "tokenizer_config.json", origin)
    text = read("chat_template.jinja") or _default(config.get("chat_template"), origin)
    if not text:
        return None
    tokenizer = _json(read, "tokenizer.json", origin)
    generation = _json(read, "generation_config.json", origin)
    older = _special_tokens(_json(read, "special_tokens_map.json", origin))
    special = older | _special_tokens(config)
    ends = tuple(dict.fromkeys(_end_tokens(special, generation, tokenizer)))
    if not ends:
        raise ConfigError(
            f"{origin}: the tokenizer has a chat template, but no token that ends an answer: "
            "expected eos_token in tokenizer_config.json, or eos_token_id in "
            "generation_config.json; add one, or set layout: headers"
        )
    values = {
        "text": text,
        "special_tokens": special,
        "end_tokens": ends,
        "adds_bos": _adds_bos(special.get("bos_token"), config, tokenizer),
    }
    return validate(ChatTemplate, values, f"{origin}: chat_template")


def _json(read: ReadFile, name: str, origin: str) -> dict[str, Any]:
    text = read(name)
    if text is None:
        return {}
    try:
        values = json.loads(text)
    except ValueError as error:
        raise ModelError(f"{origin}/{name}: is not JSON: {error}") from error
    if not isinstance(values, dict):
        raise ModelError(f"{origin}/{name}: expected a JSON object")
    return values


def _default(given: object, origin: str) -> str | None:
    """tokenizer_config.json has one template, or a list of {name, template}."""
    if given is None or isinstance(given, str):
        return given
    if isinstance(given, list) and all(isinstance(one, dict) for one in given):
        given = {one.get("name"): one.get("template") for one in given}
    if not isinstance(given, dict):
        raise ModelError(
            f"{origin}/tokenizer_config.json: chat_template: expected a text, or a list of named "
            "templates"
        )
    text = given.get(DEFAULT)
    if not isinstance(text, str):
        names = ", ".join(map(str, given)) or "none"
        raise ConfigError(
            f"{origin}/tokenizer_config.json: chat_template: holds the templates {names}, expected "
            f"one named {DEFAULT}; add it, or set layout: headers"
        )
    return text


def _special_tokens(values: Values) -> dict[str, str]:
    """eos_token and its like: a text, or an added token with its text as `content`."""
    found = {}
    for name, value in values.items():
        text = value.get("content") if isinstance(value, dict) else value
        if name.endswith("_token") and isinstance(text, str) and text:
            found[name] = text
    return found


def _end_tokens(special: Mapping[str, str], generation: Values, tokenizer: Values) -> Iterator[str]:
    """The tokens at which an engine ends an answer."""
    if "eos_token" in special:
        yield special["eos_token"]
    ids = generation.get("eos_token_id")
    wanted = ids if isinstance(ids, list) else [ids]
    for token in tokenizer.get("added_tokens", []):
        if token.get("id") in wanted and token.get("content"):
            yield token["content"]


def _adds_bos(begin: str | None, config: Values, tokenizer: Values) -> bool:
    """Whether a plain text gets the begin token: as the configuration says, else as
    tokenizer.json's post-processor does it."""
    if begin is None:
        return False
    said = config.get("add_bos_token")
    if isinstance(said, bool):
        return said
    processor = tokenizer.get("post_processor") or {}
    steps = processor.get("processors", [processor])
    firsts = [step["single"][0] for step in steps if step.get("single")]
    return any(first.get("SpecialToken", {}).get("id") == begin for first in firsts)
