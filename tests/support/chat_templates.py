"""Chat templates of the shapes that models have, in our own words."""

from typing import Any

from selfalign.layout.chat_template import ChatTemplate

CHATML = (
    "{% for message in messages %}\n  {{- '<|im_start|>' + message['role'] + '\n' "
    "+ message['content'] + '<|im_end|>\n' }}{% endfor %}\n"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
BRACKETS = (
    "{{ bos_token }}{% for message in messages %}{% if message.role == 'system' %}"
    "{{ raise_exception('no rules here') }}{% elif message.role == 'user' %}"
    "{{ '[ASK] ' + message.content | trim + ' [/ASK]' }}{% else %}"
    "{{ ' ' + message.content | trim + eos_token }}{% endif %}{% endfor %}"
)
DROPS_SYSTEM = CHATML.replace(
    "{% for message in messages %}",
    "{% for message in messages if message.role != 'system' %}",
)
RICH = (
    "{%- set ns = namespace(count=0) -%}{% for message in messages %}"
    "{% if message.role == 'tool' %}{% continue %}{% endif %}{% set ns.count = ns.count + 1 %}"
    "<{{ message.role }} n={{ ns.count }} raw={{ {'t': message.content} | tojson(indent=1) }}>\n"
    "{% if message.role == 'assistant' %}{% generation %}{{ message.content }}{% endgeneration %}"
    "{% else %}    {{ message.content }}\n    {% endif %}</{{ message.role }}>\n{% endfor %}"
    "{% if tools is none and strftime_now('%Y')|int > 2000 %}today\n{% endif %}"
    "{% if add_generation_prompt %}<assistant>\n{% endif %}"
)
SHAPES = {
    "chatml": CHATML,
    "brackets, no system": BRACKETS,
    "drops the system": DROPS_SYSTEM,
    "rich": RICH,
}
SPECIAL = {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>"}


def template(text: str = CHATML, **changes: Any) -> ChatTemplate:
    """A template with its tokens."""
    values = {"text": text, "special_tokens": SPECIAL, "end_tokens": ("<|im_end|>",)}
    return ChatTemplate.model_validate({**values, **changes})
