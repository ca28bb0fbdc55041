"""Templates are rendered byte for byte as transformers does; unfit ones are refused by name."""

from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from selfalign.constitution.yaml_file import load_constitution
from selfalign.errors import ConfigError
from selfalign.layout.build import make_layout
from selfalign.layout.headers import HeadersLayout
from selfalign.layout.template import TemplateLayout, UserTurn, user_turn
from selfalign.layout.tokenizer_files import find_chat_template
from support.chat_templates import BRACKETS, CHATML, DROPS_SYSTEM, SHAPES, template

C = load_constitution()
CHATS: list[list[dict[str, str]]] = [
    [{"role": "user", "content": "One?"}],
    [{"role": "system", "content": " A rule.\n"}, {"role": "user", "content": "One & <two>?"}],
    [
        {"role": "system", "content": "A rule."},
        {"role": "user", "content": "{{ bos_token }} é 日本\n\n{% x %}"},
        {"role": "assistant", "content": " An answer. "},
        {"role": "user", "content": "More?"},
    ],
]


def tokenizer(folder: Path) -> Any:
    return cast(Any, AutoTokenizer).from_pretrained(folder)


@pytest.mark.model
@pytest.mark.parametrize("chat", CHATS, ids=range(len(CHATS)))
@pytest.mark.parametrize("cue", [True, False])
def test_the_real_model_s_template(small_model: Path, chat: Any, cue: bool) -> None:
    found = find_chat_template(lambda name: _text(small_model / name), "m")
    assert found is not None
    theirs = tokenizer(small_model).apply_chat_template(
        chat, tokenize=False, add_generation_prompt=cue
    )
    assert found.render(chat, add_generation_prompt=cue) == theirs
    assert found.end_tokens == ("<|im_end|>",)
    assert not found.adds_bos


@pytest.mark.model
@pytest.mark.parametrize("text", SHAPES.values(), ids=SHAPES.keys())
def test_other_shapes_render_as_in_transformers(small_model: Path, text: str) -> None:
    ours, theirs = template(text), tokenizer(small_model)
    for chat in CHATS:
        if text == BRACKETS:
            chat = [message for message in chat if message["role"] != "system"]
        for cue in (True, False):
            expected = theirs.apply_chat_template(
                chat, chat_template=text, tokenize=False, add_generation_prompt=cue
            )
            assert ours.render(chat, add_generation_prompt=cue) == expected


@given(st.text(max_size=40), st.text(max_size=40))
@settings(max_examples=50, deadline=None)
def test_texts_stand_in_the_prompt_as_they_are(instruction: str, input: str) -> None:
    prompt = TemplateLayout(C, template()).student_prompt(instruction, input)
    assert instruction.strip() in prompt
    assert prompt.endswith("<|im_end|>\n<|im_start|>assistant\n")


def test_meta_prompts_are_the_system_s_message() -> None:
    layout = TemplateLayout(C, template())
    user = "<|im_end|>\n<|im_start|>user\nOne?\n\nTwo.<|im_end|>\n<|im_start|>assistant\n"
    system = "<|im_start|>system\n"
    student = C.student
    assert layout.student_prompt("One? ", "Two.") == f"{system}{student.standard.overview}{user}"
    concise = layout.student_prompt("One?", "Two.", "concise")
    assert concise == f"{system}{student.concise.overview}{user}"
    assert layout.verbose_prompt("One?", "Two.") == f"{system}{student.verbose.overview}{user}"
    assert layout.own_prompt("One?", "Two.") == user.removeprefix("<|im_end|>\n")
    assert layout.stops == ()
    overviews = [student.standard.overview]
    assert layout.training(1) == {"chat_template": True, "meta_prompts": overviews}
    assert len(cast(list[str], layout.training(None)["meta_prompts"])) == 2


@pytest.mark.parametrize("text", [BRACKETS, DROPS_SYSTEM], ids=["refuses", "drops"])
def test_without_a_system_s_message_the_meta_prompt_stands_before_the_user_s(text: str) -> None:
    layout = TemplateLayout(C, template(text))
    assert not layout.system_message
    assert f"{C.student.standard.overview}\n\nOne?" in layout.student_prompt("One?")


def test_a_begin_token_is_left_to_the_engine_that_adds_it() -> None:
    begin = {"special_tokens": {"bos_token": "<s>", "eos_token": "</s>"}, "end_tokens": ("</s>",)}
    sent = TemplateLayout(C, template(BRACKETS, **begin)).own_prompt("One?")
    assert sent == "<s>[ASK] One? [/ASK]"
    added = TemplateLayout(C, template(BRACKETS, **begin, adds_bos=True))
    assert added.own_prompt("One?") == "[ASK] One? [/ASK]"
    # Another token than the engine adds: the prompt stays whole.
    assert TemplateLayout(C, template()).own_prompt("x").startswith("<|im_start|>user")


def test_an_end_of_turn_that_is_no_end_token_is_a_stop_sequence() -> None:
    assert TemplateLayout(C, template(end_tokens=("</s>",))).stops == ("<|im_end|>",)
    assert TemplateLayout(C, template(end_tokens=("</s>", "<|im_end|>"))).stops == ()


PLAIN = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n\n{% endfor %}assistant:"


@pytest.mark.parametrize(
    ("text", "changes", "expected"),
    [
        (CHATML, {}, ("<|im_start|>user\n", "")),
        (CHATML, {"end_tokens": ("</s>",)}, ("<|im_start|>user\n", "<|im_end|>")),
        (BRACKETS, {}, ("<|im_start|>[ASK] ", "[/ASK]")),
        (BRACKETS, {"adds_bos": True}, ("[ASK] ", "[/ASK]")),
        (PLAIN, {}, ("user: ", "assistant:")),
        ("A rule. " + CHATML, {}, ("A rule. <|im_start|>user\n", "")),
    ],
)
def test_the_user_s_turn(text: str, changes: dict[str, Any], expected: tuple[str, str]) -> None:
    assert user_turn(template(text, **changes)) == UserTurn(*expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{% for m in messages %}{{ m.content }}</s>{% endfor %}", "nothing stands before the"),
        ("Rules.", "leaves out the user's message"),
        ("{{ raise_exception('no') }}", "refuses a conversation of user: no"),
    ],
)
def test_a_template_without_a_user_s_turn_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        user_turn(template(text))


USER_ONLY = "{% for m in messages %}{% if m.role != 'user' %}{{ raise_exception('only users') }}"
UNFIT = {
    "no Jinja": ("{% for x in", "line 1 is not valid Jinja"),
    "raises": ("{{ raise_exception('not today') }}", r"refuses a conversation of user: not today"),
    "wrong use": ("{{ messages[9].role.x }}", "refuses a conversation of user"),
    "unsafe": ("{{ messages.append(1) }}", "refuses a conversation of user"),
    "no answers": (USER_ONLY + "{% endif %}{{ m.content }}{% endfor %}", "only users"),
    "drops the user": (CHATML.replace("messages %", "messages[:1] %"), "leaves out the user's"),
    "no end": ("{% for m in messages %}{{ m.content }}\n{% endfor %}", "does not mark the end"),
    "other prefix": (
        "{{ messages|length }}{% for m in messages %}{{ m.content }}#{% endfor %}",
        "otherwise than the prompt",
    ),
    "changes answers": (
        "{% for m in messages %}{{ m.content|upper if m.role == 'assistant' else m.content }}#"
        "{% endfor %}",
        "changes the assistant's answer",
    ),
}


@pytest.mark.parametrize(("text", "message"), UNFIT.values(), ids=UNFIT.keys())
def test_an_unfit_template_is_refused_with_the_way_out(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        make_layout(C, template(text))
    assert str(caught.value).startswith("chat_template: ")


def test_headers_without_a_template() -> None:
    layout = make_layout(C, None)
    assert isinstance(layout, HeadersLayout)
    assert layout.own_prompt("One?") == layout.student_prompt("One?")
    assert layout.stops == ("\n### User", "\n### Alder")
    assert layout.training(1)["assistant_header"] == "\n\n### Alder\n"
    assert "chat_template" not in layout.training(None)


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None
