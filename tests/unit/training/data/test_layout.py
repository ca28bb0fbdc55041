"""The published layout, the chat template, and which meta prompt a row gets."""

from dataclasses import replace

import pytest

from selfalign.errors import ConfigError
from selfalign_training.configuration.training_config import LayoutConfig
from selfalign_training.data.accepted_rows import Source
from selfalign_training.data.layout import ChatLayout, HeaderLayout, draw_meta_prompt, make_layout
from support.training_data import CHAT_TEMPLATE, byte_tokenizer

LAYOUT = LayoutConfig(
    meta_prompts=("\n# Assistant\nIt helps.\n\n",),
    assistant_header="\n\n### Assistant\n",
    end_marker="\n\n### User\n",
)
CHAT = LayoutConfig(meta_prompts=("It helps.",), chat_template=True)
SOURCE = Source("p1", "Name a colour.", "", "Blue.", complete=True)


@pytest.mark.parametrize(
    ("source", "prompt", "completion"),
    [
        (
            SOURCE,
            "# Assistant\nIt helps.\nName a colour.\n\n### Assistant\n",
            "Blue.\n\n### User\n",
        ),
        (
            replace(SOURCE, input="Not red.", complete=False),
            "# Assistant\nIt helps.\nName a colour.\n\nNot red.\n\n### Assistant\n",
            "Blue.",
        ),
    ],
)
def test_the_published_layout(source: Source, prompt: str, completion: str) -> None:
    layout = make_layout(LAYOUT, byte_tokenizer())
    assert isinstance(layout, HeaderLayout)
    assert layout.render(source) == (prompt, completion)


def test_meta_prompts_are_drawn_by_the_prompt_id() -> None:
    layout = LAYOUT.model_copy(update={"meta_prompts": ("one", "two", "three")})
    drawn = [
        draw_meta_prompt(replace(SOURCE, prompt_id=f"p{number}"), layout) for number in range(90)
    ]
    assert drawn[0] == draw_meta_prompt(replace(SOURCE, prompt_id="p0", answer="x"), layout)
    assert all(15 <= drawn.count(name) <= 45 for name in ("one", "two", "three"))


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (None, "layout.chat_template: true, but the base model's tokenizer has no chat template"),
        (
            "{{ raise_exception('no system messages') }}",
            "refuses system, user and assistant messages: no system messages",
        ),
        (
            "{% for message in messages %}{{ message['content'] }}{% endfor %}"
            "{% if add_generation_prompt %}assistant:{% endif %}",
            "does not start with its text before the answer",
        ),
    ],
)
def test_a_template_that_does_not_fit_is_refused(template: str | None, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_layout(CHAT, byte_tokenizer(chat_template=template))
    assert message in str(caught.value)


def test_white_space_behind_the_end_of_turn_is_not_learned() -> None:
    layout = ChatLayout(CHAT, byte_tokenizer(chat_template=CHAT_TEMPLATE))
    assert layout.render(SOURCE)[1] == "Blue.</s>"
    assert layout.render(replace(SOURCE, complete=False))[1] == "Blue."
