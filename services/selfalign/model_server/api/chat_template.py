"""The chat template of a model folder: messages as the text that the model was trained on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from selfalign.errors import ModelError
from selfalign.layout.chat_template import RENDER_ERRORS, Message, compiled
from selfalign.model_server.transformer.model_folder import read_json

TEMPLATE = "chat_template.jinja"
TOKENIZER = "tokenizer_config.json"
SPECIAL_TOKENS = ("bos_token", "eos_token", "pad_token", "unk_token")


class UnusableTemplate(Exception):
    """The template refuses these messages; `str(error)` is why."""


@dataclass(frozen=True, slots=True)
class ChatTemplate:
    """A template, and the special tokens that it may name."""

    source: str
    special_tokens: Mapping[str, str]

    def render(self, messages: Sequence[Message]) -> str:
        """The conversation, up to where the assistant's answer begins.

        Raises:
            UnusableTemplate: with the template's own words, or those of its fault.
        """
        try:
            return compiled(self.source).render(
                messages=[dict(message) for message in messages],
                add_generation_prompt=True,
                **self.special_tokens,
            )
        except RENDER_ERRORS as error:
            raise UnusableTemplate(str(error)) from error


def load_chat_template(folder: Path) -> ChatTemplate | None:
    """chat_template.jinja, else the template of tokenizer_config.json; None where there is none.

    Raises:
        ModelError: tokenizer_config.json is no JSON object, or the template is not UTF-8.
    """
    settings = read_json(folder / TOKENIZER) if (folder / TOKENIZER).exists() else {}
    source = _template(folder, settings.get("chat_template"))
    if source is None:
        return None
    tokens = {name: _token(settings.get(name)) for name in SPECIAL_TOKENS}
    return ChatTemplate(source, {name: text for name, text in tokens.items() if text is not None})


def _template(folder: Path, in_settings: object) -> str | None:
    path = folder / TEMPLATE
    if path.exists():
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ModelError(f"{path}: cannot be read ({error})") from error
    if isinstance(in_settings, list):
        # Several, for different uses: [{"name": "default", "template": ...}, ...]
        named = {entry.get("name"): entry.get("template") for entry in in_settings}
        in_settings = named.get("default")
    return in_settings if isinstance(in_settings, str) else None


def _token(value: object) -> str | None:
    """A special token as older and newer files write it."""
    content = value.get("content") if isinstance(value, dict) else value
    return content if isinstance(content, str) else None
