"""What a stock chat call renders equals the pipeline's own rendering of the constitution."""

from typing import Any

import pytest

from selfalign.constitution.render import render_student_prompt, student_layout
from selfalign.constitution.yaml_file import load_constitution
from selfalign_training.configuration.training_config import LayoutConfig
from selfalign_training.shipped.chat_template import shipped_template
from support.training_data import byte_tokenizer

CONSTITUTION = load_constitution(None)


@pytest.fixture(scope="module")
def layout() -> LayoutConfig:
    """As the pipeline hands it to the training job."""
    student = student_layout(CONSTITUTION)
    return LayoutConfig(
        meta_prompts=student.meta_prompts,
        user_header=student.user_header,
        assistant_header=student.assistant_header,
        end_marker=student.end_marker,
    )


def rendered(layout: LayoutConfig, messages: list[dict[str, str]]) -> str:
    tokenizer: Any = byte_tokenizer()
    template = shipped_template(layout, tokenizer)
    text = tokenizer.apply_chat_template(
        messages, chat_template=template, tokenize=False, add_generation_prompt=True
    )
    return str(text)


@pytest.mark.parametrize(
    ("instruction", "input"),
    [("Why is the sky blue?", ""), ("  Translate.\n", "Guten Morgen\n"), ("Plot:\n\n- a\n- b", "")],
)
def test_the_template_renders_the_students_prompt(
    instruction: str, input: str, layout: LayoutConfig
) -> None:
    query = f"{instruction.strip()}\n\n{input.strip()}" if input else instruction
    expected = render_student_prompt(CONSTITUTION, instruction, input)
    assert rendered(layout, [{"role": "user", "content": query}]) == expected


def test_the_other_meta_prompt_is_a_system_message(layout: LayoutConfig) -> None:
    """All that it has before the first user's header."""
    concise = layout.meta_prompts[1].strip().removesuffix(layout.user_header.rstrip("\n"))
    messages = [{"role": "system", "content": concise}, {"role": "user", "content": "Why?"}]
    expected = render_student_prompt(CONSTITUTION, "Why?", meta="concise")
    assert rendered(layout, messages) == expected
