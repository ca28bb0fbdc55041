"""kill -9 of the whole process tree at any moment loses and doubles nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from selfalign.pipeline.run.run import Run, open_run
from selfalign.pipeline.runner.verify import verify_run
from selfalign.pipeline.stages import prompts
from selfalign.storage.open import open_store
from selfalign.storage.tables import read_rows
from support.run_process import RunProcess
from support.s3_server import environment, s3_server

Moment = Callable[[dict[str, Any]], bool]


def stage(name: str, kind: str) -> Moment:
    return lambda event: event["stage"] == name and event["event"] == kind


MOMENTS: list[tuple[str, Moment, float]] = [
    ("while the engine starts for topics", stage("topics", "stage_started"), 1.0),
    ("between rows of topics", stage("topics", "rows"), 0.3),
    ("between rows of prompts", stage("prompts", "rows"), 0.3),
    ("as prompts closes", stage("prompts", "stage_done"), 0.0),
    ("between rows of align", stage("align", "rows"), 1.0),
]


def write_config(folder: Path, model: Path, name: str, store: str) -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(
        f"name: {name}\nstore: {store}\nprofile: small\nseed: 5\n"
        f"model: {{base: {model}}}\ntopics: {{count: 10}}\n"
        "prompts: {count: 10, completions_per_unit: 4}\n"
        f"evaluate: {{held_out: 2, probes_per_kind: 0}}\nrows: {{rows_per_unit: 4}}\n"
        # The first topics, prompts and answers that come: six runs take minutes.
        "synthesizer: {topics: {fit: {min_ratio: null}}, topic_guided: {fit: {min_ratio: null}}}\n"
        "align: {selection: {candidates: 1}, declining: {enabled: false}, retries: 0, "
        "sampling: {max_new_tokens: 64}}\n"
        f"executor: {{work_dir: {folder}/work, model_server: {{dtype: fp32}}}}\n"
    )
    return path


def finished(store: str, name: str) -> Run:
    run = open_run(open_store(store), name)
    faults = [finding for finding in verify_run(run) if finding.fault]
    assert faults == []
    return run


def align_ids(run: Run) -> list[str]:
    table = read_rows(run.store, run.prefix("align"), columns=["row_id"])
    return [str(row_id) for row_id in table["row_id"].to_pylist()]


@pytest.mark.model
@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_killed_run_on_s3_ends_like_an_undisturbed_one_in_a_folder(
    small_model: Path, tmp_path: Path
) -> None:
    folder, bucket = f"{tmp_path}/store", "s3://runs/tests"
    with s3_server(tmp_path) as settings, environment(settings):
        quiet = write_config(tmp_path, small_model, "quiet", folder)
        calm = RunProcess(["-f", str(quiet), "--until", "align"], tmp_path)
        assert calm.finish() == 0, calm.stderr_path.read_text()
        arguments = ["-f", str(write_config(tmp_path, small_model, "killed", bucket))]
        arguments += ["--until", "align"]
        for name, moment, delay_s in MOMENTS:
            process = RunProcess(arguments, tmp_path)
            assert process.kill_tree_when(moment, delay_s), f"ended before the kill {name}"
        last = RunProcess(arguments, tmp_path)
        assert last.finish() == 0, last.stderr_path.read_text()
        run, undisturbed = finished(bucket, "killed"), finished(folder, "quiet")
        ids = [row.prompt_id for row in prompts.STAGE.accepted(run)]
        assert ids == [row.prompt_id for row in prompts.STAGE.accepted(undisturbed)]
        assert len(ids) == 12
        assert align_ids(run) == align_ids(undisturbed)


KILLED = {
    "topics": ("selfalign.model_server", "prompt-synthesizer"),
    "prompts": ("prompt-synthesizer", "worker", "selfalign.model_server"),
    "align": ("worker", "selfalign.model_server", "principle-engine"),
}
"""Which processes get kill -9 at the first rows of a stage, by a word of their command lines."""


def kill_one(root: int, word: str) -> None:
    """SIGKILLs a process of the run, and whatever it has started."""
    for process in psutil.Process(root).children(recursive=True):
        # One that was killed before may not have been waited for yet.
        if process.status() != psutil.STATUS_ZOMBIE and word in process.cmdline():
            for one in [*process.children(recursive=True), process]:
                one.kill()
            return
    raise AssertionError(f"no process of the run is called {word}")


@pytest.mark.model
@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_run_whose_engine_services_and_workers_are_killed_ends_by_itself_with_the_same_rows(
    small_model: Path, tmp_path: Path
) -> None:
    """They are started again, and an engine that is away for as long as that fails no row."""
    store = f"{tmp_path}/store"
    for name in ("calm", "bereft"):
        config = write_config(tmp_path, small_model, name, store)
        process = RunProcess(["-f", str(config), "--until", "align"], tmp_path)
        left = dict(KILLED) if name == "bereft" else {}
        for event in process.follow():
            if event["event"] == "rows":
                for word in left.pop(event["stage"], ()):
                    kill_one(process.process.pid, word)
        assert process.finish() == 0, process.stderr_path.read_text()
        assert left == {}
    again = [one["text"] for one in process.events if "started again" in one.get("text", "")]
    assert len(again) == sum(len(words) for words in KILLED.values())
    bereft, calm = finished(store, "bereft"), finished(store, "calm")
    for stage_name in KILLED:
        manifests = [run.manifest(stage_name) for run in (bereft, calm)]
        counts = [(one.inputs, one.accepted, one.rejected, one.failed) for one in manifests if one]
        assert counts[0] == counts[1], stage_name
        assert counts[0][3] == 0
    assert align_ids(bereft) == align_ids(calm)
