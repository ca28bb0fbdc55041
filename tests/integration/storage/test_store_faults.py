"""A store whose server or network answers wrongly: nothing is lost, and nobody is told it was."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from selfalign.errors import ObjectExists, StoreError
from selfalign.storage.open import open_store
from selfalign.storage.store import Store
from support.s3_faults import Fault, FaultyS3, Kind, faulty_s3
from support.s3_server import environment, s3_server


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with s3_server(tmp_path_factory.mktemp("s3")) as settings:
        yield settings


@pytest.fixture
def proxy(s3: dict[str, str]) -> Iterator[FaultyS3]:
    with faulty_s3(s3["AWS_ENDPOINT_URL"]) as running:
        yield running


@pytest.fixture
def store(
    s3: dict[str, str], proxy: FaultyS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Store]:
    monkeypatch.setattr("selfalign.storage.open.CONFLICT_PAUSES", (0.01, 0.02))
    with environment(s3 | {"AWS_ENDPOINT_URL": proxy.url}):
        yield open_store(f"s3://runs/{tmp_path.name}")


@pytest.mark.parametrize("kind", ["409", "412", "lost-answer", "503"])
def test_a_create_that_is_turned_down_or_not_heard_of_is_made_all_the_same(
    store: Store, proxy: FaultyS3, kind: Kind
) -> None:
    """409 means "try again"; 412 is what a second try hears of the first one's object."""
    proxy.faults.append(Fault("PUT", "part", kind))
    store.create("part", b"rows")
    assert store.get("part") == b"rows"
    assert proxy.faults[0].seen == 1


def test_a_create_of_what_is_there_with_other_bytes_loses(store: Store, proxy: FaultyS3) -> None:
    store.create("part", b"rows")
    proxy.faults.append(Fault("PUT", "part", "409"))
    with pytest.raises(ObjectExists, match="part exists already"):
        store.create("part", b"others")
    assert store.get("part") == b"rows"
    store.create("part", b"rows")


def test_conflicts_without_end_are_no_success(store: Store, proxy: FaultyS3) -> None:
    proxy.faults.append(Fault("PUT", "part", "409", times=99))
    with pytest.raises(StoreError, match="3 create-only puts were turned down") as caught:
        store.create("part", b"rows")
    assert not isinstance(caught.value, ObjectExists)


def listed(store: Store) -> object:
    return [info.key for info in store.list("folder")]


def got(store: Store) -> object:
    return store.get("folder/two")


@pytest.mark.parametrize(
    ("method", "path", "read", "expected"),
    [
        ("GET", "list-type", listed, ["folder/one", "folder/two"]),
        ("GET", "folder/two", got, b"2" * 1000),
    ],
    ids=["list", "get"],
)
def test_a_body_that_is_cut_is_asked_for_again(
    store: Store,
    proxy: FaultyS3,
    method: str,
    path: str,
    read: Callable[[Store], object],
    expected: object,
) -> None:
    store.put("folder/one", b"1")
    store.put("folder/two", b"2" * 1000)
    proxy.faults.append(Fault(method, path, "cut-body"))
    assert read(store) == expected
    assert proxy.faults[0].seen == 1


def test_a_list_that_is_an_error_is_no_empty_folder(store: Store, proxy: FaultyS3) -> None:
    store.put("folder/one", b"1")
    proxy.faults.append(Fault("GET", "list-type", "error-body"))
    assert listed(store) == ["folder/one"]


def test_bodies_that_always_end_early_are_an_error_of_the_store(
    store: Store, proxy: FaultyS3, tmp_path: Path
) -> None:
    store.put("folder/two", b"2" * 1000)
    proxy.faults.append(Fault("GET", "folder/two", "cut-body", times=99))
    with pytest.raises(StoreError, match="folder/two"):
        got(store)
    with pytest.raises(StoreError, match="folder/two"):
        store.download("folder/two", tmp_path / "file")
    assert list(tmp_path.iterdir()) == []
    proxy.faults[0].times = proxy.faults[0].seen + 1
    store.download("folder/two", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"2" * 1000


def test_the_probe_needs_no_bulk_delete_and_survives_a_lost_answer(
    store: Store, proxy: FaultyS3
) -> None:
    """GCS's S3 side has no bulk delete."""
    proxy.faults += [
        Fault("POST", "delete", "503", times=99),
        Fault("PUT", "probe", "lost-answer"),
    ]
    store.check_writable()
    assert list(store.list("")) == []
    assert [fault.seen for fault in proxy.faults] == [0, 1]


def test_a_server_without_conditional_writes_is_refused(store: Store, proxy: FaultyS3) -> None:
    proxy.faults.append(Fault("PUT", "probe", "not-done", skipped=1))
    with pytest.raises(StoreError, match="ignores If-None-Match"):
        store.check_writable()
    assert list(store.list("")) == []
