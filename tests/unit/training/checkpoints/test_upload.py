"""Uploading a checkpoint from one node and from two, and what a kill or a fault leaves."""

import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from selfalign.errors import StoreError
from selfalign_training.checkpoints.catalogue import Catalogue
from selfalign_training.checkpoints.restore import restore
from selfalign_training.checkpoints.upload import Uploader
from selfalign_training.launch.place import Place

NODES = [Place(node=k, nodes=2, rank=k, world_size=2) for k in (0, 1)]


def write(job: Path, step: int, names: list[str]) -> None:
    for name in names:
        path = job / f"checkpoint-{step}" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{name} of {step}")


def start(uploader: Uploader, step: int, *, time_limit: float = 20.0) -> None:
    uploader.start(step, began=time.monotonic(), time_limit=time_limit)


def events(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_one_node_uploads_all_and_keeps_the_last(
    catalogue: Catalogue, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    uploader = Uploader(catalogue, Place(world_size=2), tmp_path / "job", attempt="a", keep_last=2)
    for step in (3, 6, 9):
        write(tmp_path / "job", step, ["trainer_state.json", "global_step/rng_state_0.pth"])
        start(uploader, step)
    uploader.finish(needed=True)
    assert catalogue.complete() == [6, 9]
    assert sorted(path.name for path in (tmp_path / "job").iterdir()) == [
        "checkpoint-6",
        "checkpoint-9",
    ]
    manifest = catalogue.candidates()[0].manifest
    assert manifest is not None
    assert [part.name for part in manifest.files] == [
        "global_step/rng_state_0.pth",
        "trainer_state.json",
    ]
    told = [event for event in events(capsys) if event["event"] == "checkpoint"]
    assert [event["step"] for event in told] == [3, 6, 9]
    assert all(event["checkpoint_s"] >= event["upload_s"] >= 0 for event in told)


def test_two_nodes_with_disks_of_their_own_make_one_checkpoint(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    jobs = [tmp_path / "first", tmp_path / "second"]
    write(jobs[0], 3, ["trainer_state.json", "rng_state_0.pth"])
    write(jobs[1], 3, ["rng_state_1.pth"])
    # What a start that was killed left behind says nothing about this one.
    catalogue.store.put(catalogue.key(3, "node-1.json"), b'{"attempt": "before", "files": []}')
    uploaders = [
        Uploader(catalogue, node, job, attempt="a", keep_last=2)
        for node, job in zip(NODES, jobs, strict=True)
    ]
    start(uploaders[0], 3)
    time.sleep(0.2)
    assert catalogue.complete() == []
    start(uploaders[1], 3)
    for uploader in uploaders:
        uploader.finish(needed=True)
    manifest = catalogue.candidates()[0].manifest
    assert manifest is not None
    assert sorted(part.name for part in manifest.files) == [
        "rng_state_0.pth",
        "rng_state_1.pth",
        "trainer_state.json",
    ]


@pytest.mark.parametrize("told", [True, False])
def test_a_node_that_fails_leaves_the_checkpoint_incomplete(
    catalogue: Catalogue, tmp_path: Path, capsys: pytest.CaptureFixture[str], told: bool
) -> None:
    write(tmp_path, 3, ["trainer_state.json"])
    if told:
        key = catalogue.key(3, "node-1.json")
        catalogue.store.put(key, b'{"attempt": "a", "error": "disk full"}')
    uploader = Uploader(catalogue, NODES[0], tmp_path, attempt="a", keep_last=2)
    start(uploader, 3, time_limit=0.1)
    message = "node 1 could not .* disk full" if told else "node 1 did not write it"
    with pytest.raises(StoreError, match=message):
        uploader.finish(needed=True)
    uploader.finish(needed=False)
    assert catalogue.complete() == []
    assert "the checkpoint of step 3 is not in the store" in events(capsys)[0]["text"]


def test_training_goes_on_during_an_upload_and_the_next_one_waits(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    released, running = threading.Event(), threading.Event()
    upload = catalogue.store.upload

    def slow(path: Path, key: str) -> None:
        running.set()
        released.wait(20)
        upload(path, key)

    monkeypatch.setattr(catalogue.store, "upload", slow)
    for step in (3, 6):
        write(tmp_path, step, ["trainer_state.json"])
    uploader = Uploader(catalogue, Place(world_size=2), tmp_path, attempt="a", keep_last=2)
    start(uploader, 3)
    assert running.wait(20)
    assert catalogue.complete() == []
    threading.Timer(0.2, released.set).start()
    start(uploader, 6)
    assert catalogue.complete() == [3]
    uploader.finish(needed=True)
    assert catalogue.complete() == [3, 6]


SLOW_UPLOAD = """
import sys, time
from pathlib import Path
from selfalign.storage.open import open_store
from selfalign_training.checkpoints.catalogue import Catalogue
from selfalign_training.launch.place import Place
from selfalign_training.checkpoints.restore import restore
from selfalign_training.checkpoints.upload import Uploader

store = open_store(sys.argv[1])
upload = store.upload
def slowly(path, key):
    upload(path, key)
    print(key, flush=True)
    time.sleep(60)
store.upload = slowly
catalogue = Catalogue(store, "run/engrave", "abc")
uploader = Uploader(catalogue, Place(world_size=2), Path(sys.argv[2]), attempt="b", keep_last=2)
uploader.start(6, began=time.monotonic(), time_limit=60)
uploader.finish(needed=True)
"""


def test_a_kill_between_two_parts_leaves_the_one_before_valid(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    for step in (3, 6):
        write(tmp_path / "job", step, ["rng_state_0.pth", "trainer_state.json"])
    uploader = Uploader(catalogue, Place(world_size=2), tmp_path / "job", attempt="a", keep_last=2)
    start(uploader, 3)
    uploader.finish(needed=True)
    command = [sys.executable, "-c", SLOW_UPLOAD, catalogue.store.url, str(tmp_path / "job")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip().endswith("step-000006/rng_state_0.pth")
        process.kill()
    assert catalogue.store.exists(catalogue.key(6, "rng_state_0.pth"))
    assert catalogue.complete() == [3]
    found = restore(catalogue, Place(world_size=2), tmp_path / "fresh", lambda value: [value])
    assert found is not None
    assert found.step == 3
    assert (found.folder / "trainer_state.json").read_text() == "trainer_state.json of 3"
    # The rest of it is gone: that step will be done again.
    assert not catalogue.store.exists(catalogue.key(6, "rng_state_0.pth"))
