"""The shipped template renders the text that was trained on, byte for byte."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import TemplateError

from selfalign_training.configuration.training_config import LayoutConfig
from selfalign_training.data.layout import make_layout
from selfalign_training.data.source import Source
from selfalign_training.shipped.chat_template import shipped_template
from support.training_data import CHAT_TEMPLATE, byte_tokenizer

META = '# A "title"\n\nIt helps; {{ not }} {% a tag %} \\n é 🙂.\n\n### User'
HEADERS = LayoutConfig(
    meta_prompts=(META, "# Another\n\n### User"),
    user_header="\n\n### User\n",
    assistant_header="\n\n### Assistant\n",
    end_marker="\n\n### User\n",
)
LOOSE = HEADERS.model_copy(update={"meta_prompts": ("# Assistant\n",)})
PUBLISHED = HEADERS.model_copy(update={"end_of_turn": "marker"})
CHAT = LayoutConfig(meta_prompts=(META,), chat_template=True)
INDENTED = "\n  {% for message in messages %}\n" + CHAT_TEMPLATE.partition("%}")[2]
NO_SYSTEM = CHAT_TEMPLATE.replace(
    "{% for message in messages %}",
    "{% for message in messages %}{% if message['role'] == 'system' %}"
    "{{ raise_exception('no system message') }}{% endif %}",
)
PLAIN = byte_tokenizer()
WITH_BEGIN = byte_tokenizer(template="<s> $A </s>")
CHATTING = byte_tokenizer(chat_template=CHAT_TEMPLATE)
CHATTING_NO_SYSTEM = byte_tokenizer(chat_template=NO_SYSTEM)
CHATTING_INDENTED = byte_tokenizer(chat_template=INDENTED)
CASES = [
    (HEADERS, PLAIN),
    (HEADERS, WITH_BEGIN),
    (LOOSE, PLAIN),
    (PUBLISHED, PLAIN),
    (CHAT, CHATTING),
    (CHAT, CHATTING_INDENTED),
    (CHAT, CHATTING_NO_SYSTEM),
]
NAMES = [
    "headers",
    "begin token",
    "no user header",
    "published",
    "template",
    "indented template",
    "no system message",
]


def rendered(
    layout: LayoutConfig, tokenizer: Any, messages: list[dict[str, str]], **kw: Any
) -> str:
    template = shipped_template(layout, tokenizer)
    text = tokenizer.apply_chat_template(messages, chat_template=template, tokenize=False, **kw)
    return str(text)


@pytest.mark.parametrize(("layout", "tokenizer"), CASES, ids=NAMES)
@given(question=st.text().filter(str.strip), input=st.text(), answer=st.text(min_size=1))
def test_a_stock_chat_call_renders_what_was_trained_on(
    layout: LayoutConfig, tokenizer: Any, question: str, input: str, answer: str
) -> None:
    one_meta = layout.model_copy(update={"meta_prompts": layout.meta_prompts[:1]})
    trained = make_layout(one_meta, tokenizer)
    prompt, completion = trained.render(Source("p", question, input, answer, complete=True))
    begin = "<s>" if tokenizer is WITH_BEGIN else ""
    query = f"{question.strip()}\n\n{input.strip()}" if input.strip() else question.strip()
    user = {"role": "user", "content": query}
    asked = rendered(layout, tokenizer, [user], add_generation_prompt=True)
    assert asked == begin + prompt
    reply = {"role": "assistant", "content": answer}
    whole = rendered(layout, tokenizer, [user, reply], add_generation_prompt=False)
    assert whole.startswith(begin + prompt + completion)
    assert not whole.removeprefix(begin + prompt + completion).strip()


@pytest.mark.parametrize(
    ("layout", "tokenizer", "expected"),
    [
        (
            HEADERS,
            WITH_BEGIN,
            "<s>Be brief.\n\n### User\nA?\n\n### Assistant\nB.</s>\n\n### User\nC?"
            "\n\n### Assistant\n",
        ),
        (
            PUBLISHED,
            PLAIN,
            "Be brief.\n\n### User\nA?\n\n### Assistant\nB.\n\n### User\nC?\n\n### Assistant\n",
        ),
        (LOOSE, PLAIN, "Be brief.\nA?\n\n### Assistant\nB.</s>\n\n### User\nC?\n\n### Assistant\n"),
        (
            CHAT,
            CHATTING,
            "<s>system\nBe brief.</s>\n<s>user\nA?</s>\n<s>assistant\nB.</s>\n<s>user\nC?</s>\n"
            "<s>assistant\n",
        ),
        (
            CHAT,
            CHATTING_NO_SYSTEM,
            "<s>user\nBe brief.\n\nA?</s>\n<s>assistant\nB.</s>\n<s>user\nC?</s>\n<s>assistant\n",
        ),
    ],
)
def test_a_system_message_and_several_turns(
    layout: LayoutConfig, tokenizer: Any, expected: str
) -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "A?"},
        {"role": "assistant", "content": "B."},
        {"role": "user", "content": "C?"},
    ]
    assert rendered(layout, tokenizer, messages, add_generation_prompt=True) == expected


def test_a_role_that_the_headers_do_not_know_is_refused() -> None:
    with pytest.raises(TemplateError, match="expected the roles system"):
        rendered(HEADERS, PLAIN, [{"role": "tool", "content": "1"}])
