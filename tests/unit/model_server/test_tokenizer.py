"""Decoding token by token, byte offsets, and the stop rules in TGI's order."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing

from selfalign.errors import ModelError
from selfalign.model_server.batching.stopping import StopRule
from selfalign.model_server.batching.tokenizer import IncrementalDecoder, TextTokenizer

Tiny = tuple[Path, Any]


@pytest.fixture(scope="module")
def tokenizer(tiny: Tiny) -> TextTokenizer:
    return TextTokenizer(tiny[0])


def test_a_character_comes_with_its_last_byte(tokenizer: TextTokenizer) -> None:
    decoder = IncrementalDecoder(tokenizer, tokenizer.encode("before "))
    texts = [decoder.push(token) for token in tokenizer.encode("aé😀b")]
    assert texts == ["a", "", "é", "", "", "", "😀", "b"]


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\ufffd")))
def test_the_texts_of_tokens_add_up(tiny: Tiny, text: str) -> None:
    tokenizer = TextTokenizer(tiny[0])
    decoder = IncrementalDecoder(tokenizer, [])
    assert "".join(decoder.push(token) for token in tokenizer.encode(text)) == text


@pytest.mark.parametrize(
    ("keep_last", "kept"),
    [(None, "<s>abcd"), (5, "<s>abcd"), (4, "<s>bcd"), (2, "<s>d"), (1, "d")],
)
def test_cutting_a_text_keeps_the_token_that_the_tokenizer_puts_first(
    tiny: Tiny, tmp_path: Path, keep_last: int | None, kept: str
) -> None:
    plain = Tokenizer.from_file(str(tiny[0] / "tokenizer.json"))
    plain.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    plain.save(str(tmp_path / "tokenizer.json"))
    tokenizer = TextTokenizer(tmp_path)
    assert tokenizer.decode(tokenizer.encode("abcd", keep_last=keep_last)) == kept


def test_offsets_count_bytes(tokenizer: TextTokenizer) -> None:
    spans = tokenizer.spans("é!")
    assert [(span.start, span.stop) for span in spans][-1] == (2, 3)
    assert spans[-1].text == "!"


@pytest.mark.parametrize(
    ("stop", "texts", "ends_at"),
    [
        (("b",), ["a", "b", "c"], 2),
        (("ab",), ["a", "b", "c"], 2),
        (("a",), ["xa", "b"], 1),
        (("a",), ["ab", "c"], None),  # inside a token's text
        (("a",), ["a\n", "c"], 1),  # before a last newline
        (("x", "bc"), ["a", "b", "c"], 3),
        (("",), ["a", "b"], 1),
        ((), ["a", "b"], None),
    ],
)
def test_stop_strings(stop: tuple[str, ...], texts: list[str], ends_at: int | None) -> None:
    rule = StopRule(100, frozenset({1}), stop)
    reasons = [rule.push(5, text) for text in texts]
    assert reasons.index("stop_sequence") + 1 == ends_at if ends_at else not any(reasons)


def test_length_comes_before_eos() -> None:
    assert StopRule(1, frozenset({1})).push(1, "") == "length"
    assert StopRule(2, frozenset({1})).push(1, "") == "eos_token"


def test_missing_and_broken_tokenizers(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"tokenizer\.json"):
        TextTokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match="no `model`"):
        TextTokenizer(tmp_path)
