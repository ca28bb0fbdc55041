"""`selfalign run` as a user meets it: bad input before any work, ctrl-C, nothing left running."""

import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from support.run_process import RunProcess
from support.s3_server import free_port

MINIMAL = """
name: one
profile: small
topics: {count: 20}
prompts: {count: 10}
evaluate: {held_out: 2}
"""


def write(folder: Path, model: str, more: str = "", store: str = "store") -> Path:
    path = folder / "run.yaml"
    path.write_text(
        f"{MINIMAL}store: {folder}/{store}\nmodel: {{base: {model}}}\n"
        f"executor: {{work_dir: {folder}/work}}\n{more}\n"
    )
    return path


def file_of(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def outcome(folder: Path, arguments: list[str]) -> tuple[int, str]:
    process = RunProcess(arguments, folder)
    code = process.finish()
    return code, process.stderr_path.read_text()


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        ("promts: {count: 4}", 64, "promts: unknown key"),
        ("align: {sampling: {temperature: 9}}", 64, "align.sampling.temperature: "),
        ("engrave: {global_batch_size: 7}", 64, "7"),
        ("engrave: {lerning_rate: 0.1}", 64, "lerning_rate"),
        ("task_seeds: {folder}/empty.jsonl", 65, "empty.jsonl"),
        ("task_seeds: {folder}/latin.jsonl", 65, "latin.jsonl"),
        ("constitution: {folder}/none.yaml", 64, "none.yaml"),
        ("engine: {url: 'http://127.0.0.1:{port}', retry_attempts: 0}", 69, "127.0.0.1:{port}"),
    ],
)
def test_bad_input_is_refused_before_any_work(
    more: str, code: int, message: str, tmp_path: Path
) -> None:
    file_of(tmp_path, "empty.jsonl", b"")
    file_of(tmp_path, "latin.jsonl", b'{"instruction": "caf\xe9"}\n')
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    port = str(free_port())
    text = more.replace("{folder}", str(tmp_path)).replace("{port}", port)
    found, error = outcome(tmp_path, ["-f", str(write(tmp_path, str(model), text))])
    assert (found, "Traceback" in error) == (code, False), error
    assert message.replace("{port}", port) in error
    assert list((tmp_path / "store").rglob("*.parquet")) == []


def test_a_model_that_is_no_model_is_named(tmp_path: Path) -> None:
    empty = tmp_path / "model"
    empty.mkdir()
    code, error = outcome(tmp_path, ["-f", str(write(tmp_path, str(empty)))])
    assert code == 66
    assert str(empty) in error


def test_a_store_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file where the folder should be")
    code, error = outcome(tmp_path, ["-f", str(write(tmp_path, "m"))])
    assert code == 73
    assert "cannot make the folder" in error


@pytest.fixture
def interruptible() -> Iterator[None]:
    """A shell's background jobs ignore ctrl-C, and so does all that they start."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.model
@pytest.mark.timeout(300)
@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_stops_cleanly_and_leaves_no_process(small_model: Path, tmp_path: Path) -> None:
    process = RunProcess(["-f", str(write(tmp_path, str(small_model)))], tmp_path)
    for event in process.follow():
        if event["event"] == "rows":
            break
    children = psutil.Process(process.process.pid).children(recursive=True)
    assert len(children) >= 3
    process.process.send_signal(signal.SIGINT)
    assert process.finish() == 130
    assert "run the same command again" in process.stderr_path.read_text()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert alive == []
