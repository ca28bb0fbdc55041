"""Loaders: real files, good and bad lines, anything at all."""

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfalign.errors import DataError
from selfalign.evaluation.benchmark_files import (
    HHH_KEYS,
    HhhItem,
    TruthfulQaItem,
    limited,
    load_benchmarks,
    parse_hhh,
    parse_truthfulqa,
)
from selfalign.evaluation.evaluate_settings import EvaluationSettings
from support.reference import reference_path

HEADER = b"Type,Category,Question,Best Answer,Correct Answers,Incorrect Answers,Source\n"
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30).filter(
    str.strip
)


def hhh_line(**changes: object) -> bytes:
    record: dict[str, object] = {
        "category": "helpful", "instruction": "Hi?", "chosen": "Hello.", "rejected": "No.",
    }  # fmt: skip
    record |= changes
    return json.dumps({key: value for key, value in record.items() if value is not None}).encode()


def test_built_in_items() -> None:
    found = load_benchmarks(EvaluationSettings())
    assert {item.category for item in found.hhh} == {"harmless", "helpful", "honest", "other"}
    assert len(found.hhh) == len({item.item_id for item in found.hhh}) == 12
    assert len(found.truthfulqa) == 12
    assert found.hhh_source.built_in
    assert found.truthfulqa_source.built_in


def test_published_files() -> None:
    hhh = reference_path("evals", "hhh.jsonl")
    settings = EvaluationSettings(
        hhh_file=hhh, truthfulqa_file=reference_path("evals", "truthfulqa.csv")
    )
    found = load_benchmarks(settings)
    counts = {
        name: sum(item.category == name for item in found.hhh)
        for name in ("harmless", "helpful", "honest", "other")
    }
    assert counts == {"harmless": 58, "helpful": 59, "honest": 61, "other": 43}
    assert len(found.truthfulqa) == 817
    sizes = [len(item.choices) for item in found.truthfulqa]
    # One of the 4,115 choices of the file stands twice in its question.
    assert (sum(sizes), min(sizes), max(sizes)) == (4114, 2, 13)
    assert not found.hhh_source.built_in
    assert found.hhh_source.path == str(hhh)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "has no items"),
        (b"\n  \n", "has no items"),
        (b"{", "line 1, column 2: not valid JSON"),
        (hhh_line() + b"\n\n[1]", "line 3: a list; expected a JSON object"),
        (hhh_line() + b"\n" + hhh_line(chosen=None), "line 2: 'chosen' is missing"),
        (hhh_line(category=3), "line 1: 'category' is 3; expected a text"),
        (hhh_line(rejected="  "), "line 1: 'rejected' is '  '"),
        (hhh_line(rejected=" Hello. "), "line 1: chosen and rejected are the same"),
        (hhh_line(chosen="\ud800"), "line 1: 'chosen' contains half a surrogate pair"),
        (hhh_line() + b"\n\xff", "line 2: not UTF-8"),
        (b"1" * 5000, "line 1: not valid JSON"),
    ],
)
def test_bad_hhh_lines_are_named(data: bytes, message: str) -> None:
    with pytest.raises(DataError) as caught:
        parse_hhh(data, "file")
    assert message in str(caught.value)


def test_good_hhh_lines() -> None:
    data = b"\xef\xbb\xbf" + hhh_line(extra=1) + b"\r\n\n" + hhh_line(instruction="What?\u2028!")
    first, second = parse_hhh(data, "file")
    assert first == HhhItem("helpful", "Hi?", "Hello.", "No.")
    assert second.instruction == "What?\u2028!"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "line 1: has no column 'Question'"),
        (b"Question,Best Answer\n", "line 1: has no column 'Incorrect Answers'"),
        (HEADER, "has no questions"),
        (HEADER + b"a,b,c\n", "line 2: 3 columns; expected 7"),
        (HEADER + b"t,c,Q?,yes,yes,no,s\n\nt,c,,yes,yes,no,s\n", "line 4: column 'Question' is"),
        (HEADER + b't,c,"Q\nQ?",yes,yes,,s\n', "line 2: column 'Incorrect Answers' is empty"),
        (HEADER + b"t,c,Q?,yes,yes, ; ;,s\n", "line 2: column 'Incorrect Answers' holds no answer"),
        (HEADER + b"t,c,Q?,yes,yes,no; yes,s\n", "contains the best answer 'yes'"),
        (HEADER + b't,c,"Q?,yes,yes,no,s\n', "line 2: not valid CSV"),
        (HEADER + b"t,c,Q?,yes\xff,yes,no,s\n", "line 2: not UTF-8"),
    ],
)
def test_bad_truthfulqa_rows_are_named(data: bytes, message: str) -> None:
    with pytest.raises(DataError) as caught:
        parse_truthfulqa(data, "file")
    assert message in str(caught.value)


def test_good_truthfulqa_rows() -> None:
    data = (
        b"Incorrect Answers,Question,Best Answer,More\n"
        b'"no; never ;no;",What?,Yes,x\n"a, b","Line\nbreak?",Right,\n'
    )
    assert parse_truthfulqa(data, "file") == (
        TruthfulQaItem("uncategorised", "What?", "Yes", ("no", "never")),
        TruthfulQaItem("uncategorised", "Line\nbreak?", "Right", ("a, b",)),
    )


@given(st.binary(max_size=300))
def test_any_bytes_are_items_or_a_data_error(data: bytes) -> None:
    for parse in (parse_hhh, parse_truthfulqa):
        for content in (data, HEADER + data):
            try:
                assert parse(content, "file")
            except DataError as error:
                assert str(error).startswith("file: ")


@given(st.lists(st.tuples(TEXT, TEXT, TEXT, TEXT), min_size=1, max_size=5))
def test_hhh_round_trip(records: list[tuple[str, str, str, str]]) -> None:
    records = [record for record in records if record[2].strip() != record[3].strip()]
    lines = [json.dumps(dict(zip(HHH_KEYS, record, strict=True))) for record in records]
    if records:
        expected = tuple(HhhItem(*(text.strip() for text in record)) for record in records)
        assert parse_hhh("\n".join(lines).encode(), "file") == expected


@given(TEXT, TEXT, st.lists(TEXT, min_size=1, max_size=6))
def test_truthfulqa_round_trip(question: str, best: str, wrong: list[str]) -> None:
    wrong = [text.strip() for text in wrong if ";" not in text and text.strip() != best.strip()]
    if not wrong:
        return
    sink = io.StringIO()
    writer = csv.writer(sink)
    writer.writerow(["Question", "Best Answer", "Incorrect Answers"])
    writer.writerow([question, best, "; ".join(wrong)])
    (item,) = parse_truthfulqa(sink.getvalue().encode(), "file")
    assert item.choices == (best.strip(), *dict.fromkeys(wrong))
    assert item.question == question.strip()


def test_a_limit_draws_from_the_whole_file_and_keeps_its_order() -> None:
    items = tuple(HhhItem("c", f"question {number}", "a", "b") for number in range(100))
    some = limited(items, 20)
    assert [items.index(item) for item in some] == sorted(items.index(item) for item in some)
    assert any(items.index(item) >= 50 for item in some)
    assert set(limited(items, 10)) <= set(some)
    assert (limited(items, None), limited(items, 0), limited(items, 500)) == (items, (), items)


def test_an_unreadable_file_names_its_setting(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"evaluate\.hhh_file: cannot read .*absent"):
        load_benchmarks(EvaluationSettings(hhh_file=tmp_path / "absent"))
    with pytest.raises(DataError, match=r"evaluate\.truthfulqa_file: cannot read"):
        load_benchmarks(EvaluationSettings(truthfulqa_file=tmp_path))
