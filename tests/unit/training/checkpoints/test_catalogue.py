"""Which checkpoints of a job count, and which are deleted."""

import pytest

from selfalign_training.checkpoints.catalogue import (
    Catalogue,
    CheckpointManifest,
    delete_checkpoints,
)


def add(catalogue: Catalogue, step: int, *, complete: bool = True) -> None:
    catalogue.store.put(catalogue.key(step, "global_step1/weights.pt"), b"w")
    if complete:
        catalogue.write(CheckpointManifest(step=step, world_size=2, job="abc", files=()))


def keys(catalogue: Catalogue) -> list[str]:
    return [info.key for info in catalogue.store.list("run/engrave")]


def test_only_what_has_a_manifest_counts(catalogue: Catalogue) -> None:
    assert catalogue.complete() == []
    add(catalogue, 9)
    add(catalogue, 10)
    add(catalogue, 20, complete=False)
    assert catalogue.complete() == [9, 10]
    assert [candidate.step for candidate in catalogue.candidates()] == [10, 9]


def test_an_unreadable_manifest_is_a_candidate_with_a_fault(catalogue: Catalogue) -> None:
    add(catalogue, 1)
    catalogue.store.put(catalogue.key(1, "manifest.json"), b"\xff{")
    (candidate,) = catalogue.candidates()
    assert candidate.manifest is None
    assert "step-000001/manifest.json: not a manifest" in candidate.fault


def test_the_newest_complete_ones_are_kept(catalogue: Catalogue) -> None:
    for step, complete in ((1, True), (2, True), (3, False), (4, True), (5, False)):
        add(catalogue, step, complete=complete)
    catalogue.keep_last(2)
    assert catalogue.complete() == [2, 4]
    # An unfinished one that is newer may be under way.
    assert any("step-000005" in key for key in keys(catalogue))
    assert not any("step-000003" in key or "step-000001" in key for key in keys(catalogue))


def test_another_jobs_checkpoints_are_left_alone(catalogue: Catalogue) -> None:
    other = Catalogue(catalogue.store, "run/engrave", "def")
    add(other, 7)
    add(catalogue, 3)
    assert catalogue.complete() == [3]
    catalogue.discard_after(0)
    assert (catalogue.complete(), other.complete()) == ([], [7])
    delete_checkpoints(catalogue.store, "run/engrave")
    assert keys(catalogue) == []


def test_the_manifest_goes_first(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    add(catalogue, 3)
    deleted: list[str] = []
    monkeypatch.setattr(catalogue.store, "delete", deleted.append)
    catalogue.discard(3)
    assert [key.rsplit("/", 1)[-1] for key in deleted[:2]] == ["manifest.json", "weights.pt"]
