"""Files of prompts: every kind gives the same rows, every fault is named, memory stays flat."""

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfalign.errors import DataError
from selfalign.prompt_files import records
from selfalign.prompt_files.fields import PromptFields
from selfalign.prompt_files.prompt_file import FilePrompt, digest_of, read_prompts

ROWS: list[dict[str, Any]] = [
    {"instruction": " Name a river.\n", "input": None, "id": 3},
    {"instruction": "Sort the words.\n\nAll of them.", "input": "b\na"},
    {"instruction": "", "input": ""},
]
PROMPTS = [
    FilePrompt(0, "Name a river.", ""),
    FilePrompt(1, "Sort the words.\n\nAll of them.", "b\na"),
    FilePrompt(2, "", ""),
]
Rows = list[dict[str, Any]]


def as_lines(folder: Path, rows: Rows) -> Path:
    path = folder / "prompts.jsonl"
    path.write_text("\n\n".join(json.dumps(row) for row in rows) + "\n", "utf-8")
    return path


def as_parquet(folder: Path, rows: Rows) -> Path:
    path = folder / "prompts.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=2)
    return path


def as_data_set(folder: Path, rows: Rows) -> Path:
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    path = folder / "saved"
    datasets.Dataset.from_list(rows).save_to_disk(path, num_shards=min(2, len(rows)))
    return path


KINDS = [as_lines, as_parquet, as_data_set]
Write = Callable[[Path, Rows], Path]


def read(path: Path, **fields: str) -> list[FilePrompt]:
    return list(read_prompts(path, "prompts.file", PromptFields(**fields)))


@pytest.mark.parametrize("write", KINDS)
def test_every_kind_gives_the_same_prompts(tmp_path: Path, write: Write) -> None:
    assert read(write(tmp_path, ROWS)) == PROMPTS


CHAT = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "First?"},
    {"role": "assistant", "content": "Yes."},
    {"role": "user", "content": "Second?"},
]


@pytest.mark.parametrize(
    ("row", "fields", "expected"),
    [
        ({"prompt": "P", "question": "Q"}, {}, ("P", "")),
        ({"question": "Q", "context": "C"}, {}, ("Q", "C")),
        ({"query": "Q", "prompt": None}, {}, ("", "")),
        ({"ask": "A", "instruction": "I", "input": "no"}, {"instruction": "ask"}, ("A", "no")),
        ({"instruction": "I", "material": "M"}, {"input": "material"}, ("I", "M")),
        ({"messages": CHAT}, {}, ("First?", "")),
        ({"messages": CHAT[:1]}, {}, ("", "")),
        ({"conversations": [{"from": "human", "value": "Hi?"}]}, {}, ("Hi?", "")),
        ({"turns": CHAT}, {"instruction": "turns"}, ("First?", "")),
        ({"instruction": "I", "instances": [{"input": "x", "output": "y"}]}, {}, ("I", "x")),
    ],
)
@pytest.mark.parametrize("write", KINDS)
def test_common_spellings(
    tmp_path: Path,
    write: Write,
    row: dict[str, Any],
    fields: dict[str, str],
    expected: tuple[str, str],
) -> None:
    assert read(write(tmp_path, [row]), **fields) == [FilePrompt(0, *expected)]


GOOD = b'{"instruction": "a"}\n'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no rows"),
        (b"\n \n", "holds no rows"),
        (GOOD + b"\n{oops}", "line 3: not JSON: .* at column 2; expected one object a line"),
        (GOOD + b"[1]", "line 2: expected an object, got list"),
        (b"\xef\xbb\xbf" + GOOD + b'{"other": 1}', "line 2: no field of an instruction; .*other"),
        (GOOD + b'{"instruction": 7}', "line 2: `instruction` must be a text, got 7"),
        (GOOD + b'{"instruction": "x", "input": {}}', "line 2: `input` must be a text, got {}"),
        (GOOD + b'{"messages": ["x"]}', "line 2: `messages` must hold objects, got 'x'"),
        (GOOD + b'{"instruction": "\\ud800"}', "line 2: `instruction`: .* half a surrogate"),
        (GOOD + b'{"instruction": "\xff"}', "line 2: not UTF-8 at byte 17"),
        (GOOD + b'{"instruction": "' + b"x" * 200, "line 2: longer than"),
        (b"[" * 5000, "line 1: (nested too deeply|not JSON|longer than)"),
    ],
)
def test_a_wrong_line_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, message: str
) -> None:
    monkeypatch.setattr(records, "LONGEST_LINE", 150)
    path = tmp_path / "prompts.jsonl"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read(path)


def test_other_faults_are_named(tmp_path: Path) -> None:
    table = as_parquet(tmp_path, [{"text": "a", "label": 1}])
    with pytest.raises(DataError, match="found text, label"):
        read(table)
    assert read(table, instruction="text") == [FilePrompt(0, "a", "")]
    with pytest.raises(DataError, match="row 1: `label` must be a text, got 1"):
        read(table, instruction="label")
    lines = as_lines(tmp_path, ROWS)
    with pytest.raises(DataError, match=r"no row has the field 'inptu' \(prompts.fields.input\)"):
        read(lines, input="inptu")
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match="not a readable Parquet file"):
        read(broken)
    with pytest.raises(DataError, match="unknown kind of file; expected a name that ends with"):
        read(broken.rename(tmp_path / "prompts.csv"))
    with pytest.raises(DataError, match=r"a folder without state\.json"):
        read(tmp_path)
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read(tmp_path / "absent.jsonl")


def test_faults_of_saved_data_sets_are_named(tmp_path: Path) -> None:
    folder = as_data_set(tmp_path, ROWS)
    state = folder / "state.json"
    for text, message in [
        ('{"_data_files": [{"filename": "../secret.arrow"}]}', "outside of its folder"),
        ('{"_data_files": [{"filename": "gone.arrow"}]}', "gone.arrow: not a readable Arrow file"),
        ("{}", "does not name the files"),
        ("[", "does not name the files"),
    ]:
        state.write_text(text)
        with pytest.raises(DataError, match=message):
            read(folder)
    (tmp_path / "dataset_dict.json").write_text("{}")
    with pytest.raises(DataError, match=r"several data sets \(saved\); name one"):
        read(tmp_path)


@pytest.mark.parametrize("write", KINDS)
def test_the_digest_follows_the_rows(tmp_path: Path, write: Write) -> None:
    first, same, other = (tmp_path / name for name in ("one", "two", "three"))
    for folder in (first, same, other):
        folder.mkdir()
    paths = write(first, ROWS), write(same, ROWS), write(other, ROWS[:2])
    digests = [digest_of(path, "prompts.file") for path in paths]
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize("write", KINDS)
def test_memory_stays_flat(tmp_path: Path, write: Write) -> None:
    rows = [{"instruction": f"{number} " + "x" * 2000, "other": "y"} for number in range(10_000)]
    path = write(tmp_path, rows)
    del rows
    tracemalloc.start()
    count = sum(1 for _ in read_prompts(path, "prompts.file", PromptFields()))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 10_000
    assert peak < 2 * 2**20, "20 MB of rows went by"


_TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.lists(st.tuples(_TEXT, _TEXT), min_size=1, max_size=20))
def test_lines_come_back_as_written(tmp_path_factory: Any, texts: list[tuple[str, str]]) -> None:
    folder = tmp_path_factory.mktemp("lines")
    path = as_lines(folder, [{"instruction": first, "input": second} for first, second in texts])
    expected = [(first.strip(), second.strip()) for first, second in texts]
    assert [(one.instruction, one.input) for one in read(path)] == expected
