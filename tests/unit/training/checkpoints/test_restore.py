"""Which checkpoint a start goes on from, and what it fetches of it."""

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from selfalign.errors import DataError
from selfalign_training.checkpoints.catalogue import Catalogue
from selfalign_training.checkpoints.restore import restore
from selfalign_training.checkpoints.upload import Uploader
from selfalign_training.launch.place import Place

NAMES = ["trainer_state.json", "metrics.jsonl", "rng_state_0.pth", "rng_state_1.pth"]
BOTH = Place(world_size=2, local_world_size=2)


def alone(value: Any, /) -> list[Any]:
    return [value]


@pytest.fixture
def job(catalogue: Catalogue, tmp_path: Path) -> Path:
    """Checkpoints of steps 3 and 6 by two ranks on one node, on disk and in the store."""
    folder = tmp_path / "job"
    uploader = Uploader(catalogue, BOTH, folder, attempt="a", keep_last=2)
    for step in (3, 6):
        for name in NAMES:
            path = folder / f"checkpoint-{step}" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{name} of {step}")
        uploader.start(step, began=time.monotonic(), time_limit=9)
        uploader.finish(needed=True)
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_nothing_there_is_a_start_from_the_beginning(catalogue: Catalogue, tmp_path: Path) -> None:
    assert restore(catalogue, BOTH, tmp_path / "job", alone) is None


@pytest.mark.parametrize("disk", ["kept", "fresh", "damaged", "half written"])
def test_the_newest_one_is_there_whatever_the_disk_has(
    catalogue: Catalogue, job: Path, disk: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[str] = []
    download = catalogue.store.download

    def watched(key: str, path: Path) -> None:
        fetched.append(path.name)
        download(key, path)

    monkeypatch.setattr(catalogue.store, "download", watched)
    if disk == "fresh":
        shutil.rmtree(job)
    if disk == "damaged":
        (job / "checkpoint-6" / "rng_state_1.pth").write_text("rng_state_1.pth of 5")
    if disk == "half written":
        (job / "checkpoint-6" / "global_step6_universal").write_text("left behind")
        (job / "checkpoint-9").mkdir()
    found = restore(catalogue, BOTH, job, alone)
    assert found is not None
    assert (found.step, found.world_size, found.folder) == (6, 2, job / "checkpoint-6")
    assert names(found.folder) == sorted(NAMES)
    assert (found.folder / "rng_state_1.pth").read_text() == "rng_state_1.pth of 6"
    expected = {"fresh": sorted(NAMES), "damaged": ["rng_state_1.pth"]}.get(disk, [])
    assert sorted(fetched) == expected
    assert not (job / "checkpoint-9").exists()


@pytest.mark.parametrize(
    ("world_size", "expected"), [(2, ["metrics.jsonl", "rng_state_1.pth"]), (3, sorted(NAMES))]
)
def test_a_node_fetches_its_ranks_files_or_all_for_a_conversion(
    catalogue: Catalogue, job: Path, tmp_path: Path, world_size: int, expected: list[str]
) -> None:
    manifest = catalogue.candidates()[0].manifest
    second = Place(node=1, nodes=2, rank=1, world_size=world_size)
    folder = tmp_path / "second"

    def exchange(value: Any, /) -> list[Any]:
        return [catalogue.candidates(), value] if value == [] else [value]

    found = restore(catalogue, second, folder, exchange)
    assert manifest is not None
    assert found is not None
    assert set(names(found.folder)) >= set(expected)
    assert ("rng_state_0.pth" in names(found.folder)) == (world_size == 3)


@pytest.mark.parametrize("damage", ["digest", "missing", "manifest"])
def test_a_damaged_one_is_passed_over_and_its_steps_done_again(
    catalogue: Catalogue, job: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(job)
    break_checkpoint(catalogue, 6, damage)
    found = restore(catalogue, BOTH, job, alone)
    assert found is not None
    assert found.step == 3
    (note,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert note["text"].startswith("checkpoint of step 6 passed over: ")
    assert catalogue.complete() == [3]
    assert names(job) == ["checkpoint-3"]


def break_checkpoint(catalogue: Catalogue, step: int, damage: str) -> None:
    name = "manifest.json" if damage == "manifest" else "rng_state_1.pth"
    key = catalogue.key(step, name)
    if damage == "missing":
        catalogue.store.delete(key)
    else:
        catalogue.store.put(key, b"rng_state_1.pth of 5")


def test_none_that_is_whole_is_an_error_with_file_and_digests(
    catalogue: Catalogue, job: Path
) -> None:
    shutil.rmtree(job)
    for step in (3, 6):
        break_checkpoint(catalogue, step, "digest")
    with pytest.raises(DataError) as caught:
        restore(catalogue, BOTH, job, alone)
    message = str(caught.value)
    for step in (3, 6):
        assert f"{catalogue.place}/step-{step:06d}/rng_state_1.pth: expected 20 bytes" in message
    assert message.count("of SHA-256 ") == 2
    assert "found 20 of " in message
    assert f"delete {catalogue.place} to begin anew" in message
    # Nothing is deleted: somebody may still mend it.
    assert catalogue.complete() == [3, 6]
