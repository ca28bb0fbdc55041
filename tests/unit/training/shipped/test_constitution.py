"""What a stock chat call renders equals what the pipeline asks with, in both layouts."""

from typing import Any

import pytest

from selfalign.constitution.yaml_file import load_constitution
from selfalign.layout.build import make_layout
from selfalign.layout.chat_template import ChatTemplate
from selfalign.layout.contract import Layout
from selfalign_training.configuration.training_config import LayoutConfig
from selfalign_training.data.layout import make_layout as make_training_layout
from selfalign_training.data.source import Source
from selfalign_training.shipped.chat_template import shipped_template
from support.training_data import CHAT_TEMPLATE, byte_tokenizer

CONSTITUTION = load_constitution(None)
NO_SYSTEM = CHAT_TEMPLATE.replace(
    "{% for message in messages %}",
    "{% for message in messages %}{% if message['role'] == 'system' %}"
    "{{ raise_exception('no system message') }}{% endif %}",
)
TEMPLATES = pytest.mark.parametrize(
    "text", [None, CHAT_TEMPLATE, NO_SYSTEM], ids=["headers", "template", "no system message"]
)


def layouts(text: str | None) -> tuple[Layout, LayoutConfig, Any]:
    """The pipeline's layout, the training job's section made of it, and the tokenizer."""
    template = None
    if text is not None:
        template = ChatTemplate(text=text, end_tokens=("</s>",))
    layout = make_layout(CONSTITUTION, template)
    section = LayoutConfig.model_validate(layout.training(None))
    return layout, section, byte_tokenizer(chat_template=text)


def rendered(section: LayoutConfig, tokenizer: Any, messages: list[dict[str, str]]) -> str:
    template = shipped_template(section, tokenizer)
    text = tokenizer.apply_chat_template(
        messages, chat_template=template, tokenize=False, add_generation_prompt=True
    )
    return str(text)


@TEMPLATES
@pytest.mark.parametrize(
    ("instruction", "input"),
    [("Why is the sky blue?", ""), ("  Translate.\n", "Guten Morgen\n"), ("Plot:\n\n- a\n- b", "")],
)
def test_the_template_renders_the_students_prompt(
    instruction: str, input: str, text: str | None
) -> None:
    layout, section, tokenizer = layouts(text)
    expected = layout.student_prompt(instruction, input)
    query = f"{instruction.strip()}\n\n{input.strip()}" if input else instruction
    assert rendered(section, tokenizer, [{"role": "user", "content": query}]) == expected
    one_meta = section.model_copy(update={"meta_prompts": section.meta_prompts[:1]})
    source = Source("p", instruction, input, "Because.", complete=True)
    prompt, completion = make_training_layout(one_meta, tokenizer).render(source)
    assert (prompt, completion) == (expected, "Because.</s>")


@TEMPLATES
def test_the_other_meta_prompt_is_a_system_message(text: str | None) -> None:
    """With headers: all that it has before the first user's header."""
    layout, section, tokenizer = layouts(text)
    concise = section.meta_prompts[1].strip().removesuffix(section.user_header.rstrip("\n"))
    messages = [{"role": "system", "content": concise}, {"role": "user", "content": "Why?"}]
    assert rendered(section, tokenizer, messages) == layout.student_prompt("Why?", meta="concise")
