"""A tokenizer's chat template, rendered byte for byte as transformers renders it.

Without transformers: services and workers follow the run's layout and load no model.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from jinja2 import Template, TemplateError, TemplateSyntaxError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import Field

from selfalign.errors import ConfigError
from selfalign.settings.section import NonEmpty, Section

Message = Mapping[str, str]
"""`role` and `content`."""
RENDER_ERRORS = (TemplateError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError)
"""What a template can raise: its own raise_exception, or a wrong use of a value."""


class ChatTemplate(Section):
    """A chat template, with what is needed to ask an engine in it."""

    text: NonEmpty
    """The template, in Jinja: chat_template.jinja, or chat_template of tokenizer_config.json."""
    special_tokens: dict[str, str] = Field(default_factory=dict)
    """The tokenizer's special tokens by name (bos_token, eos_token); the template may use them."""
    end_tokens: tuple[NonEmpty, ...] = Field(min_length=1)
    """The tokens at which an engine ends an answer by itself: eos_token, and those of
    generation_config.json."""
    adds_bos: bool = False
    """Whether engines put bos_token before every text: prompts are then sent without it."""

    def render(self, messages: Sequence[Message], *, add_generation_prompt: bool) -> str:
        """The conversation as text, equal to `tokenizer.apply_chat_template(..., tokenize=False)`.

        Raises:
            ConfigError: the template is no Jinja, or refuses the messages.
        """
        try:
            return compiled(self.text).render(
                messages=[dict(message) for message in messages],
                tools=None,
                documents=None,
                add_generation_prompt=add_generation_prompt,
                **self.special_tokens,
            )
        except TemplateSyntaxError as error:
            raise ConfigError(
                f"chat_template: line {error.lineno} is not valid Jinja: {error.message}"
            ) from error
        except RENDER_ERRORS as error:
            roles = ", ".join(message["role"] for message in messages)
            raise ConfigError(
                f"chat_template: the base model's chat template refuses a conversation of {roles}: "
                f"{error}; mend the template, or set layout: headers"
            ) from error


@lru_cache(maxsize=8)
def compiled(text: str) -> Template:
    """The template, in an environment as transformers makes it. Raises TemplateSyntaxError."""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[GenerationBlock, loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _raise_exception
    environment.globals["strftime_now"] = _strftime_now
    return environment.from_string(text)


class GenerationBlock(Extension):
    """`{% generation %}`, by which templates mark the assistant's text: it changes no byte."""

    tags = {"generation"}  # noqa: RUF012 - declared so by jinja2

    def parse(self, parser: Parser) -> nodes.Node:
        """The block's body, in a scope of its own."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body).set_lineno(line)


def _to_json(
    value: Any,  # noqa: ANN401 - whatever the template holds
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """Jinja's own would escape HTML."""
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def _raise_exception(message: str) -> None:
    raise TemplateError(message)


def _strftime_now(form: str) -> str:
    return datetime.now().strftime(form)
