"""The published layout, the chat template, and which meta prompt a row gets."""

from dataclasses import replace

import pytest
from tokenizers import AddedToken

from selfalign.errors import ConfigError
from selfalign_training.configuration.training_config import LayoutConfig
from selfalign_training.data.layout import ChatLayout, HeaderLayout, draw_meta_prompt, make_layout
from selfalign_training.data.source import Source
from support.training_data import CHAT_TEMPLATE, byte_tokenizer

LAYOUT = LayoutConfig(
    meta_prompts=("\n# Assistant\nIt helps.\n\n",),
    assistant_header="\n\n### Assistant\n",
    end_marker="\n\n### User\n",
)
PUBLISHED = LAYOUT.model_copy(update={"end_of_turn": "marker"})
CHAT = LayoutConfig(meta_prompts=("It helps.",), chat_template=True)
SOURCE = Source("p1", "Name a colour.", "", "Blue.", complete=True)


@pytest.mark.parametrize(
    ("source", "prompt", "completion"),
    [
        (
            SOURCE,
            "# Assistant\nIt helps.\nName a colour.\n\n### Assistant\n",
            "Blue.</s>",
        ),
        (
            replace(SOURCE, instruction=" Name a colour.\n", input="Not red. ", complete=False),
            "# Assistant\nIt helps.\nName a colour.\n\nNot red.\n\n### Assistant\n",
            "Blue.",
        ),
    ],
)
def test_the_published_headers(source: Source, prompt: str, completion: str) -> None:
    layout = make_layout(LAYOUT, byte_tokenizer())
    assert isinstance(layout, HeaderLayout)
    assert layout.render(source) == (prompt, completion)


def test_the_published_layout_learns_no_end_token() -> None:
    layout = make_layout(PUBLISHED, byte_tokenizer())
    assert layout.render(SOURCE)[1] == "Blue.\n\n### User\n"
    assert layout.render(replace(SOURCE, complete=False))[1] == "Blue."
    assert layout.end is None


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
            "{{ raise_exception('no messages') }}",
            "refuses the messages of user and assistant: no messages",
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


@pytest.mark.parametrize(
    ("template", "completion", "token_id"),
    [
        (CHAT_TEMPLATE, "Blue.</s>", 1),
        # Two tokens behind the answer: the first ends the turn.
        (CHAT_TEMPLATE.replace("</s>\n", "</s>\n<s>"), "Blue.</s>", 1),
        # None: the tokenizer's EOS is added, in place of white space.
        (CHAT_TEMPLATE.replace("</s>\n", "\n"), "Blue.</s>", 1),
        (CHAT_TEMPLATE.replace("</s>\n", "\n# End\n"), "Blue.\n# End</s>", 1),
    ],
)
def test_a_complete_answer_ends_with_the_end_of_turn(
    template: str, completion: str, token_id: int
) -> None:
    layout = ChatLayout(CHAT, byte_tokenizer(chat_template=template))
    assert layout.render(SOURCE)[1] == completion
    assert layout.render(replace(SOURCE, complete=False))[1] == "Blue."
    assert layout.end is not None
    assert layout.end.token_id == token_id


def test_a_template_without_an_end_token_as_it_is() -> None:
    chat = CHAT.model_copy(update={"end_of_turn": "marker"})
    template = CHAT_TEMPLATE.replace("</s>\n", "\n# End\n")
    layout = ChatLayout(chat, byte_tokenizer(chat_template=template))
    assert layout.render(SOURCE)[1] == "Blue.\n# End"


@pytest.mark.parametrize("refusal", ["{{ raise_exception('no') }}", ""])
def test_a_template_without_a_system_message_has_the_meta_prompt_before_the_question(
    refusal: str,
) -> None:
    template = (
        "{% for message in messages %}{% if message['role'] == 'system' %}REFUSAL{% else %}"
        "<s>{{ message['role'] }}\n{{ message['content'] }}</s>\n{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}<s>assistant\n{% endif %}"
    ).replace("REFUSAL", refusal)
    layout = ChatLayout(CHAT, byte_tokenizer(chat_template=template))
    assert layout.render(SOURCE) == (
        "<s>user\nIt helps.\n\nName a colour.</s>\n<s>assistant\n",
        "Blue.</s>",
    )


def test_a_special_token_without_a_name_ends_a_turn_too() -> None:
    tokenizer = byte_tokenizer(chat_template=CHAT_TEMPLATE.replace("</s>", "<|end|>"))
    end = AddedToken("<|end|>", special=True)
    tokenizer.add_tokens([end])
    layout = ChatLayout(CHAT, tokenizer)
    assert layout.render(SOURCE)[1] == "Blue.<|end|>"
    assert layout.end is not None
    assert layout.end.token_id == tokenizer.convert_tokens_to_ids("<|end|>") != 1


@pytest.mark.parametrize(
    ("config", "template", "message"),
    [
        (LAYOUT, None, "layout.end_of_turn: token, but the base model's tokenizer has no EOS"),
        (
            CHAT,
            CHAT_TEMPLATE.replace("<s>", "#").replace("</s>", ""),
            "the template ends an answer with no special token ('\\n')",
        ),
    ],
)
def test_a_tokenizer_without_any_end_token_is_refused(
    config: LayoutConfig, template: str | None, message: str
) -> None:
    tokenizer = byte_tokenizer(chat_template=template)
    tokenizer.eos_token = None
    with pytest.raises(ConfigError) as caught:
        make_layout(config, tokenizer)
    assert message in str(caught.value)
    assert "layout.end_of_turn: marker" in str(caught.value)
    make_layout(config.model_copy(update={"end_of_turn": "marker"}), tokenizer)
