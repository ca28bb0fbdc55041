"""From texts to labels: the mask on token level, for every layout and kind of tokenizer."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfalign.errors import ModelError
from selfalign_training.configuration.training_config import LayoutConfig
from selfalign_training.data.encode import IGNORED, Example, encode
from selfalign_training.data.layout import ChatLayout, HeaderLayout, Layout
from selfalign_training.data.source import Source
from support.training_data import CHAT_TEMPLATE, byte_tokenizer, fallback_tokenizer

LAYOUT = LayoutConfig(
    meta_prompts=("\n# Assistant\nIt helps.\n\n",),
    user_header="\n\n### User\n",
    assistant_header="\n\n### Assistant\n",
    end_marker="\n\n### User\n",
)
PUBLISHED = LAYOUT.model_copy(update={"end_of_turn": "marker"})
CHAT = LayoutConfig(meta_prompts=("# Assistant\nIt helps.",), chat_template=True)
SOURCE = Source("p1", "Name a colour.", "", "Blue.", complete=True)
BYTES = byte_tokenizer()
CHATTING = byte_tokenizer(chat_template=CHAT_TEMPLATE)
FALLBACK = fallback_tokenizer()


def one(source: Source, layout: Layout, tokenizer: Any) -> Example:
    (example,) = encode([source], layout, tokenizer)
    return example


def trained_text(example: Example, tokenizer: Any) -> str:
    return str(tokenizer.decode([label for label in example.labels if label != IGNORED]))


@pytest.mark.parametrize(
    ("layout", "tokenizer", "complete", "prompt", "completion"),
    [
        (
            HeaderLayout(LAYOUT, BYTES),
            BYTES,
            True,
            "# Assistant\nIt helps.\nName a colour.\n\n### Assistant\n",
            "Blue.</s>",
        ),
        (
            HeaderLayout(PUBLISHED, BYTES),
            BYTES,
            True,
            "# Assistant\nIt helps.\nName a colour.\n\n### Assistant\n",
            "Blue.\n\n### User\n",
        ),
        (
            HeaderLayout(LAYOUT, BYTES),
            BYTES,
            False,
            "# Assistant\nIt helps.\nName a colour.\n\n### Assistant\n",
            "Blue.",
        ),
        (
            ChatLayout(CHAT, CHATTING),
            CHATTING,
            True,
            "<s>system\n# Assistant\nIt helps.</s>\n<s>user\nName a colour.</s>\n<s>assistant\n",
            "Blue.</s>",
        ),
        (
            ChatLayout(CHAT, CHATTING),
            CHATTING,
            False,
            "<s>system\n# Assistant\nIt helps.</s>\n<s>user\nName a colour.</s>\n<s>assistant\n",
            "Blue.",
        ),
    ],
)
def test_the_loss_falls_on_the_completion_alone(
    layout: Layout, tokenizer: Any, complete: bool, prompt: str, completion: str
) -> None:
    example = one(replace(SOURCE, complete=complete), layout, tokenizer)
    ids, labels = list(example.input_ids), example.labels
    before = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    after = tokenizer(completion, add_special_tokens=False)["input_ids"]
    assert ids == before + after
    assert labels == [IGNORED] * len(before) + after
    assert example.trained_tokens == len(after)
    if completion.endswith("</s>"):
        assert labels[-1] == tokenizer.eos_token_id


@pytest.mark.parametrize(
    ("make_layout", "tokenizer"),
    [
        (lambda tokenizer: HeaderLayout(PUBLISHED, tokenizer), BYTES),
        (lambda tokenizer: HeaderLayout(LAYOUT, tokenizer), FALLBACK),
        (lambda tokenizer: ChatLayout(CHAT, tokenizer), CHATTING),
    ],
    ids=["bytes", "byte fallback", "chat template"],
)
@given(
    instruction=st.text(min_size=1, max_size=20),
    input=st.text(max_size=10),
    answer=st.text(min_size=1, max_size=20).filter(str.strip),
    complete=st.booleans(),
)
def test_any_text_is_trained_on_whole(
    make_layout: Callable[[Any], Layout],
    tokenizer: Any,
    instruction: str,
    input: str,
    answer: str,
    complete: bool,
) -> None:
    """Characters of several tokens at the border included."""
    layout = make_layout(tokenizer)
    source = Source("p", instruction, input, answer, complete)
    example = one(source, layout, tokenizer)
    _, completion = layout.render(source)
    assert trained_text(example, tokenizer).removeprefix(" ") == completion.removeprefix(" ")
    assert list(example.input_ids)[example.trained_from :] == example.labels[example.trained_from :]


@pytest.mark.parametrize("tokenizer", [BYTES, FALLBACK], ids=["bytes", "byte fallback"])
@pytest.mark.parametrize("answer", ["é", "日本", "🙂 yes", "ℵ"])
def test_a_character_of_several_tokens_at_the_border(tokenizer: Any, answer: str) -> None:
    layout = HeaderLayout(LAYOUT.model_copy(update={"assistant_header": "→"}), tokenizer)
    source = replace(SOURCE, instruction="é", answer=answer, complete=False)
    example = one(source, layout, tokenizer)
    trained = list(example.input_ids)[example.trained_from :]
    assert tokenizer.decode(trained) == answer
    assert tokenizer.decode(list(example.input_ids)[: example.trained_from]).endswith("é→")


def test_begin_tokens_stay_and_end_tokens_of_a_post_processor_go() -> None:
    tokenizer = byte_tokenizer(template="<s> $A </s>")
    published = one(SOURCE, HeaderLayout(PUBLISHED, tokenizer), tokenizer)
    assert published.input_ids[0] == 0
    assert published.labels[0] == IGNORED
    assert 1 not in published.input_ids
    ended = one(SOURCE, HeaderLayout(LAYOUT, tokenizer), tokenizer)
    assert ended.input_ids[0] == 0
    assert list(ended.input_ids).count(1) == 1
    assert ended.labels[-1] == 1
    cut = one(replace(SOURCE, complete=False), HeaderLayout(LAYOUT, tokenizer), tokenizer)
    assert 1 not in cut.input_ids
    # A chat template has its own: the tokenizer's are not put around it.
    tokenizer = byte_tokenizer(template="<s> $A </s>", chat_template=CHAT_TEMPLATE)
    assert one(SOURCE, ChatLayout(CHAT, tokenizer), tokenizer) == one(
        SOURCE, ChatLayout(CHAT, CHATTING), CHATTING
    )


def test_an_answer_that_holds_the_padding_token_keeps_its_label() -> None:
    example = one(replace(SOURCE, answer="A</s>B"), HeaderLayout(LAYOUT, BYTES), BYTES)
    assert 1 in example.labels


def test_a_tokenizer_without_offsets_is_refused() -> None:
    class Slow:
        is_fast = False

    with pytest.raises(ModelError, match="no fast version"):
        one(SOURCE, HeaderLayout(LAYOUT, BYTES), Slow())
