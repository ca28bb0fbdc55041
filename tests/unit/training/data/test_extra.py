"""A user's own rows: what is taken, and the line that is wrong."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfalign.errors import DataError
from selfalign.storage.open import open_store
from selfalign_training.data.extra import parse_extra_rows, read_extra_rows

GOOD = b'{"instruction": "Who are you?", "answer": "An assistant."}\n'


def test_rows_have_ids_of_their_content() -> None:
    other = b'{"instruction": "Who?", "input": "You.", "answer": "I."}\r\n'
    first, second = parse_extra_rows(GOOD + b"\n  \n" + other, "identity.jsonl")
    assert (first.instruction, first.input, first.answer) == ("Who are you?", "", "An assistant.")
    assert (second.input, second.complete) == ("You.", True)
    assert first.prompt_id.startswith("extra-")
    assert parse_extra_rows(other + GOOD, "x") == [second, first]
    again = [source.prompt_id for source in parse_extra_rows(GOOD * 3, "x")]
    assert again == [first.prompt_id, f"{first.prompt_id}-2", f"{first.prompt_id}-3"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{", "line 2: not valid JSON"),
        (b"[]", "line 2: expected a JSON object, found list"),
        (b'"text"', "line 2: expected a JSON object, found str"),
        (b"\xff", "line 2: not UTF-8 text (byte 0)"),
        (b'{"instruction": "a"}', "line 2: answer: expected a text, found nothing"),
        (b'{"instruction": " ", "answer": "b"}', "line 2: instruction: expected a text, found ' '"),
        (b'{"instruction": "a", "answer": 3}', "line 2: answer: expected a text, found 3"),
        (
            b'{"instruction": "a", "answer": "b", "input": null}',
            "line 2: input: expected text, found None",
        ),
        (
            b'{"instruction": "a", "answer": "b", "output": "c"}',
            "line 2: unknown field output; expected instruction, input, answer",
        ),
        (b'{"instruction": "a", "answer": "\\ud800"}', "line 2: answer: holds half a surrogate"),
    ],
)
def test_a_wrong_line_is_named(line: bytes, message: str) -> None:
    with pytest.raises(DataError) as caught:
        parse_extra_rows(GOOD + line + b"\n" + GOOD, "identity.jsonl")
    assert str(caught.value).startswith(f"data.extra_rows: identity.jsonl: {message}")


def test_many_faults_are_not_all_told() -> None:
    with pytest.raises(DataError, match=r"line 1: .*; line 5: .*; and 2 more$"):
        parse_extra_rows(b"{\n" * 7, "x")


@given(st.text(), st.text(), st.text())
def test_any_text_comes_back(instruction: str, input: str, answer: str) -> None:
    line = json.dumps({"instruction": instruction, "input": input, "answer": answer}).encode()
    if instruction.strip() and answer.strip():
        (source,) = parse_extra_rows(line, "x")
        assert (source.instruction, source.input, source.answer) == (instruction, input, answer)
    else:
        with pytest.raises(DataError, match="line 1"):
            parse_extra_rows(line, "x")


def test_a_file_goes_before_a_key_of_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(str(tmp_path / "store"))
    store.put("rows.jsonl", b"in the store")
    monkeypatch.chdir(tmp_path)
    assert read_extra_rows(store, "rows.jsonl") == b"in the store"
    Path("rows.jsonl").write_bytes(b"local")
    assert read_extra_rows(store, "rows.jsonl") == b"local"
    with pytest.raises(DataError, match=r"there is no file other\.jsonl, and no such key in"):
        read_extra_rows(store, "other.jsonl")
