"""From rows to labels: the layout, the mask on token level, and what is dropped."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from selfalign.errors import DataError
from selfalign.storage.open import open_store
from selfalign.storage.rows import Row, RowStatus
from selfalign.storage.tables import create_part
from selfalign_training.config import LayoutConfig
from selfalign_training.data import (
    IGNORED,
    Source,
    build_dataset,
    completion_text,
    encode,
    prompt_text,
    read_sources,
)

LAYOUT = LayoutConfig(
    meta_prompts=("\n# Assistant\nIt helps.\n\n",),
    user_header="\n\n### User\n",
    assistant_header="\n\n### Assistant\n",
    end_marker="\n\n### User\n",
)
SOURCE = Source("p1", "Name a colour.", "", "Blue.", complete=True)


def byte_tokenizer(*, template: str | None = None) -> Any:
    """One token a byte; pad and end are the same token, as in the small model."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {"<s>": 0, "</s>": 1} | {sign: at + 2 for at, sign in enumerate(alphabet)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    if template:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=template, special_tokens=[("<s>", 0), ("</s>", 1)]
        )
    make: Any = PreTrainedTokenizerFast
    return make(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="</s>")


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return byte_tokenizer()


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
def test_the_layout(source: Source, prompt: str, completion: str) -> None:
    assert prompt_text(source, LAYOUT) == prompt
    assert completion_text(source, LAYOUT) == completion


def test_the_loss_falls_on_the_completion_alone(tokenizer: Any) -> None:
    (example,) = encode([SOURCE], LAYOUT, tokenizer)
    prompt = prompt_text(SOURCE, LAYOUT)
    trained = [label for label in example.labels if label != IGNORED]
    assert tokenizer.decode(trained) == "Blue.\n\n### User\n"
    assert tokenizer.decode(list(example.input_ids)) == prompt + "Blue.\n\n### User\n"
    assert example.labels[: len(prompt)] == (IGNORED,) * len(prompt)
    assert example.labels[len(prompt) :] == example.input_ids[len(prompt) :]


@given(
    st.text(min_size=1, max_size=30),
    st.text(max_size=20),
    st.text(min_size=1, max_size=30).filter(str.strip),
    st.booleans(),
)
def test_any_text_is_trained_on_whole(
    instruction: str, input: str, answer: str, complete: bool
) -> None:
    source = Source("p", instruction, input, answer, complete)
    tokenizer = byte_tokenizer()
    (example,) = encode([source], LAYOUT, tokenizer)
    expected = len(completion_text(source, LAYOUT).encode())
    assert example.trained_tokens == expected
    assert example.labels[-expected:] == example.input_ids[-expected:]
    assert set(example.labels[:-expected]) <= {IGNORED}


def test_begin_tokens_stay_and_end_tokens_of_a_template_go() -> None:
    (example,) = encode([SOURCE], LAYOUT, byte_tokenizer(template="<s> $A </s>"))
    assert example.input_ids[0] == 0
    assert example.labels[0] == IGNORED
    assert 1 not in example.input_ids


def test_an_answer_that_holds_the_padding_token_keeps_its_label(tokenizer: Any) -> None:
    (example,) = encode([replace(SOURCE, answer="A</s>B")], LAYOUT, tokenizer)
    assert 1 in example.labels


def test_meta_prompts_are_drawn_by_the_prompt_id() -> None:
    layout = LAYOUT.model_copy(update={"meta_prompts": ("one", "two", "three")})
    drawn = [
        prompt_text(replace(SOURCE, prompt_id=f"p{number}"), layout).split("\n")[0]
        for number in range(90)
    ]
    again = prompt_text(replace(SOURCE, prompt_id="p0"), layout).split("\n")[0]
    assert drawn[0] == again
    assert all(15 <= drawn.count(name) <= 45 for name in ("one", "two", "three"))


def test_empty_and_overlong_rows_are_counted(tokenizer: Any) -> None:
    sources = [
        SOURCE,
        replace(SOURCE, prompt_id="p2", answer=" \n"),
        replace(SOURCE, prompt_id="p3", answer="word " * 40),
    ]
    dataset = build_dataset(sources, LAYOUT, tokenizer, max_length=120)
    assert [example.prompt_id for example in dataset.examples] == ["p1"]
    counts = dataset.counts()
    assert (counts["rows"], counts["sequences"]) == (3, 1)
    assert (counts["dropped_empty"], counts["dropped_overlong"]) == (1, 1)
    assert counts["trained_tokens"] == len("Blue.\n\n### User\n")


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ([SOURCE], r"none of 1 rows .* 1 rows are longer than max_length 20 .* shortest has \d+"),
        ([replace(SOURCE, answer="")], r"none of 1 rows .* 1 answers are empty"),
    ],
)
def test_nothing_left_is_an_error(tokenizer: Any, sources: list[Source], message: str) -> None:
    with pytest.raises(DataError, match=message):
        build_dataset(sources, LAYOUT, tokenizer, max_length=20)


def test_only_accepted_rows_are_read_in_the_order_of_their_ids(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    rows = [
        Row(row_id=name, prompt_id=name, status=status, instruction=name, answer="a")
        for name, status in [
            ("c", RowStatus.ACCEPTED),
            ("a", RowStatus.REJECTED),
            ("b", RowStatus.ACCEPTED),
        ]
    ]
    create_part(store, "run/align/part-00000.parquet", rows)
    assert [source.prompt_id for source in read_sources(store, "run/align")] == ["b", "c"]
    with pytest.raises(DataError, match=r"run/refine: no accepted rows .*data\.stage_prefix"):
        read_sources(store, "run/refine")
