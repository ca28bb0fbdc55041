"""The Store contract, on a local folder and on a real S3 server."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from selfalign.errors import (
    ConfigError,
    ObjectExists,
    ObjectMissing,
    StoreError,
    StoreNotWritable,
)
from selfalign.storage.open import open_store
from selfalign.storage.store import Store
from support.s3_server import environment, free_port, s3_server


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with s3_server(tmp_path_factory.mktemp("s3")) as settings:
        yield settings


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "folder":
        yield open_store(str(tmp_path / "runs"))
        return
    with environment(request.getfixturevalue("s3")):
        yield open_store(f"s3://runs/{tmp_path.name}")


def test_what_is_put_is_got_listed_and_deleted(store: Store) -> None:
    store.put("a/one", b"1")
    store.put("a/one", b"11")
    store.put("a/deep/two", b"2")
    store.put("ab/three", b"3")
    assert store.get("a/one") == b"11"
    assert [(info.key, info.size) for info in store.list("a")] == [("a/deep/two", 1), ("a/one", 2)]
    assert store.exists("a/one")
    store.delete("a/one")
    store.delete("a/one")
    assert not store.exists("a/one")
    with pytest.raises(ObjectMissing, match="a/one"):
        store.get("a/one")


def test_of_racing_creates_just_one_wins(store: Store) -> None:
    outcomes: list[str] = []
    barrier = threading.Barrier(8)

    def create(writer: int) -> None:
        barrier.wait()
        try:
            store.create("race", str(writer).encode())
            outcomes.append(str(writer))
        except ObjectExists:
            outcomes.append("lost")

    threads = [threading.Thread(target=create, args=(writer,)) for writer in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = [outcome for outcome in outcomes if outcome != "lost"]
    assert len(outcomes) == 8
    assert len(winners) == 1
    assert store.get("race") == winners[0].encode()


def test_large_files_travel_whole(store: Store, tmp_path: Path) -> None:
    data = os.urandom(12 * 1024 * 1024 + 7)
    source, target = tmp_path / "source", tmp_path / "there" / "target"
    source.write_bytes(data)
    store.upload(source, "big")
    store.download("big", target)
    assert target.read_bytes() == data
    with pytest.raises(ObjectMissing):
        store.download("nothing", tmp_path / "none")
    assert not (tmp_path / "none").exists()
    assert [path.name for path in target.parent.iterdir()] == ["target"]


def test_probe_leaves_nothing(store: Store) -> None:
    store.check_writable()
    assert list(store.list("")) == []


def test_folder_that_cannot_be_made_or_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreNotWritable, match="cannot make the folder"):
        open_store(str(tmp_path / "file" / "runs"))


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("s3://", "names no bucket"),
        ("ftp://host/x", "unknown scheme 'ftp'"),
    ],
)
def test_bad_addresses_are_refused(url: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        open_store(url)


def test_wrong_secret_is_named(s3: dict[str, str]) -> None:
    with environment(s3 | {"AWS_SECRET_ACCESS_KEY": "wrong"}):
        store = open_store("s3://runs/x")
        with pytest.raises(StoreNotWritable, match="check the credentials"):
            store.check_writable()


def test_server_that_is_down_is_named(monkeypatch: pytest.MonkeyPatch, s3: dict[str, str]) -> None:
    from datetime import timedelta

    monkeypatch.setattr("selfalign.storage.open.RETRY_WINDOW", timedelta(seconds=1))
    with environment(s3 | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}"}):
        store = open_store("s3://runs/x")
        with pytest.raises(StoreError, match="x/anything"):
            store.get("anything")
