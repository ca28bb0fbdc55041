"""The chat template of the merged weights: it renders what the model was trained on.

Templates are read by transformers and vLLM with Jinja, by TGI with minijinja: only what both know
is used, and white space is left to neither of them.
"""

import json
import re
from typing import cast

from selfalign_training.configuration.training_config import LayoutConfig
from selfalign_training.data.layout import GAP, takes_system_message
from selfalign_training.data.tokenizer import Tokenizer

WITH_DEFAULT_SYSTEM_MESSAGE = """\
{%- if not messages or messages[0]['role'] != 'system' -%}
{%- set messages = ([{'role': 'system', 'content': META}] + messages)|list -%}
{%- endif """

# For templates that have no place for a system's message: it stands before the user's first text.
BEFORE_THE_USER = """\
{%- if messages and messages[0]['role'] == 'system' -%}
{%- set system = messages[0]['content']|trim -%}
{%- set messages = messages[1:] -%}
{%- else -%}
{%- set system = META -%}
{%- endif -%}
{%- if messages and messages[0]['role'] == 'user' -%}
{%- set first = {'role': 'user', 'content': system ~ GAP ~ messages[0]['content']|trim} -%}
{%- set messages = ([first] + messages[1:])|list -%}
{%- endif """

HEADERS = """\
{%- if messages and messages[0]['role'] == 'system' -%}
{%- set system = messages[0]['content']|trim -%}
{%- set turns = messages[1:] -%}
{%- else -%}
{%- set system = META -%}
{%- set turns = messages -%}
{%- endif -%}
{{- BEGIN ~ system -}}
{%- for message in turns -%}
{%- if message['role'] == 'user' -%}
{{- (FIRST if loop.first else USER) ~ message['content']|trim -}}
{%- elif message['role'] == 'assistant' -%}
{{- ASSISTANT ~ message['content'] ~ END -}}
{%- if loop.last -%}{{- MARKER -}}{%- endif -%}
{%- else -%}
{{- raise_exception('expected the roles system (first), user and assistant') -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- ASSISTANT -}}{%- endif -%}
"""


def shipped_template(layout: LayoutConfig, tokenizer: Tokenizer) -> str:
    """The template that renders the layout; without a system message the first meta prompt is it.

    Args:
        layout: What was trained on.
        tokenizer: The base model's, whose own template goes on where the layout is its.
    """
    if layout.chat_template:
        template = BEFORE_THE_USER
        if takes_system_message(tokenizer):
            template = WITH_DEFAULT_SYSTEM_MESSAGE
        prefix = _filled(template, META=layout.meta_prompts[0].strip(), GAP=GAP)
        return prefixed(tokenizer.get_chat_template(), prefix)
    return headers_template(layout, tokenizer)


def prefixed(template: str, prefix: str) -> str:
    """`template` as it was, behind `prefix`, whose last tag is still open."""
    # `-%}` would take the white space that a template begins with; the newline behind `%}` is the
    # one that transformers drops.
    end = "%}\n" if template[:1].isspace() else "-%}"
    return f"{prefix}{end}{template}"


def headers_template(layout: LayoutConfig, tokenizer: Tokenizer) -> str:
    """The published headers; a system message stands for all that precedes the first user's header.

    Args:
        layout: Meta prompts, headers and how answers end.
        tokenizer: What it puts before a text by itself, a template has to write.
    """
    user = layout.user_header or layout.end_marker
    meta = layout.meta_prompts[0].strip() + "\n"
    first = user if meta.endswith(user) else "\n"
    by_token = layout.end_of_turn == "token"
    return _filled(
        HEADERS,
        META=meta.removesuffix(first),
        BEGIN=begin_text(tokenizer),
        FIRST=first,
        USER=user,
        ASSISTANT=layout.assistant_header,
        END=tokenizer.eos_token or "" if by_token else "",
        MARKER="" if by_token else layout.end_marker,
    )


def begin_text(tokenizer: Tokenizer) -> str:
    """The special tokens that the tokenizer puts before a text, as text."""
    encoded = tokenizer(
        ["a"], add_special_tokens=True, return_offsets_mapping=True, return_attention_mask=False
    )
    (ids,) = cast(list[list[int]], encoded["input_ids"])
    (offsets,) = cast(list[list[tuple[int, int]]], encoded["offset_mapping"])
    first = next((at for at, (start, end) in enumerate(offsets) if end > start), 0)
    return "".join(tokenizer.convert_ids_to_tokens(ids[:first]))


def _filled(template: str, **texts: str) -> str:
    """The template, with string literals in place of the names in capitals."""
    names = re.compile(rf"\b({'|'.join(texts)})\b")
    return names.sub(lambda name: json.dumps(texts[name[0]], ensure_ascii=False), template)
