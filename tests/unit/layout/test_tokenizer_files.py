"""A model's chat template is found in all places where models keep it."""

import json
from typing import Any

import pytest

from selfalign.errors import ConfigError, ModelError
from selfalign.layout.chat_template import ChatTemplate
from selfalign.layout.tokenizer_files import NAMES, find_chat_template

END: dict[str, Any] = {"eos_token": "</s>", "bos_token": {"content": "<s>", "lstrip": False}}
STARTS = {
    "type": "TemplateProcessing",
    "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {}}],
}
BARE = {"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A"}}]}
ADDED = [{"id": 2, "content": "</s>"}, {"id": 7, "content": "<|turn|>"}]


def find(**files: Any) -> ChatTemplate | None:
    """Files by name, with __ for the dot; values that are no text become JSON."""
    texts = {
        name.replace("__", "."): value if isinstance(value, str) else json.dumps(value)
        for name, value in files.items()
    }
    assert set(texts) <= set(NAMES)
    return find_chat_template(texts.get, "m")


def named(**templates: str) -> list[dict[str, str]]:
    return [{"name": name, "template": text} for name, text in templates.items()]


PLACES: dict[str, tuple[dict[str, Any], str]] = {
    "a file": ({"chat_template__jinja": "X", "tokenizer_config__json": END}, "X"),
    "the configuration": ({"tokenizer_config__json": END | {"chat_template": "Y"}}, "Y"),
    "both: the file": (
        {"chat_template__jinja": "X", "tokenizer_config__json": END | {"chat_template": "Y"}},
        "X",
    ),
    "named ones": (
        {"tokenizer_config__json": END | {"chat_template": named(tool_use="T", default="D")}},
        "D",
    ),
    "named ones, newer": (
        {"tokenizer_config__json": END | {"chat_template": {"tool_use": "T", "default": "D"}}},
        "D",
    ),
}


@pytest.mark.parametrize(("files", "text"), PLACES.values(), ids=PLACES.keys())
def test_the_template_of_every_place(files: dict[str, Any], text: str) -> None:
    found = find(**files)
    assert found is not None
    assert found.text == text
    assert found.special_tokens == {"bos_token": "<s>", "eos_token": "</s>"}
    assert (found.end_tokens, found.adds_bos) == (("</s>",), False)


@pytest.mark.parametrize("files", [{}, {"tokenizer_config__json": END}], ids=["none", "no chat"])
def test_a_model_without_a_template(files: dict[str, Any]) -> None:
    assert find(**files) is None


def test_end_tokens_of_tokenizer_and_generation() -> None:
    files = {"chat_template__jinja": "X", "tokenizer__json": {"added_tokens": ADDED}}
    both = find(
        **files, tokenizer_config__json=END, generation_config__json={"eos_token_id": [7, 2]}
    )
    assert both is not None
    assert both.end_tokens == ("</s>", "<|turn|>")
    older = find(**files, special_tokens_map__json={"eos_token": {"content": "<e>"}})
    assert older is not None
    assert older.end_tokens == ("<e>",)
    by_id = find(**files, generation_config__json={"eos_token_id": 7})
    assert by_id is not None
    assert by_id.end_tokens == ("<|turn|>",)


@pytest.mark.parametrize(
    ("said", "processor", "adds"),
    [
        (None, STARTS, True),
        (None, {"type": "Sequence", "processors": [{"type": "ByteLevel"}, STARTS]}, True),
        (None, BARE, False),
        (None, None, False),
        (False, STARTS, False),
        (True, None, True),
    ],
)
def test_whether_a_begin_token_is_added(said: bool | None, processor: Any, adds: bool) -> None:
    config = END if said is None else END | {"add_bos_token": said}
    found = find(
        chat_template__jinja="X",
        tokenizer_config__json=config,
        tokenizer__json={"post_processor": processor},
    )
    assert found is not None
    assert found.adds_bos is adds


WRONG: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "no end": ({"chat_template__jinja": "X"}, ConfigError, "^m: .*no token that ends an answer"),
    "no default": (
        {"tokenizer_config__json": END | {"chat_template": named(rag="R", tool_use="T")}},
        ConfigError,
        "holds the templates rag, tool_use, expected one named default",
    ),
    "a number": (
        {"tokenizer_config__json": END | {"chat_template": 3}},
        ModelError,
        "chat_template: expected a text, or a list",
    ),
    "cut off": ({"tokenizer_config__json": '{"eos'}, ModelError, "m/tokenizer_config.json: is not"),
    "a list": ({"tokenizer_config__json": "[]"}, ModelError, "expected a JSON object"),
}


@pytest.mark.parametrize(("files", "kind", "message"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_named(files: dict[str, Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        find(**files)
