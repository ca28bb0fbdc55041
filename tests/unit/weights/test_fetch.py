"""Weights arrive whole and verified; what is there already is not fetched again."""

import hashlib
import json
from pathlib import Path

import pytest

from selfalign.cli.__main__ import run
from selfalign.errors import ConfigError, ModelError, SelfAlignError, StoreError
from selfalign.events import Event, Fetch
from selfalign.storage.manifest import Manifest, PartInfo, write_manifest
from selfalign.storage.store import Store
from selfalign.weights.fetch import fetch_weights
from selfalign.weights.marked_folder import COMPLETE, STARTED
from selfalign.weights.source import ClaimFolder, HubModel, LocalFolder, StageWeights, StoreFolder
from support.weights import FILES, make_store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path / "store")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "target"


@pytest.mark.parametrize("source", ["base", "demo/engrave/merged"])
def test_weights_are_fetched_once(source: str, store: Store, target: Path) -> None:
    events = list[Event]()
    assert fetch_weights(LocalFolder(f"{store.url}/{source}"), target, events.append)
    assert {path.name: path.read_bytes() for path in target.glob("[!.]*")} == FILES
    assert (target / COMPLETE).is_file()
    assert not (target / STARTED).exists()
    last = events[-1]
    assert isinstance(last, Fetch)
    assert last.done_bytes == last.total_bytes == 104
    assert not fetch_weights(LocalFolder(f"{store.url}/{source}/"), target)
    assert not fetch_weights(StageWeights(store.url, source), target)


def test_a_fetch_that_was_killed_goes_on(store: Store, target: Path) -> None:
    base = LocalFolder(f"{store.url}/base")
    fetch_weights(base, target)
    (target / COMPLETE).rename(target / STARTED)
    (target / "model.safetensors").unlink()
    before = (target / "config.json").stat().st_mtime_ns
    assert fetch_weights(base, target)
    assert (target / "model.safetensors").read_bytes() == FILES["model.safetensors"]
    assert (target / "config.json").stat().st_mtime_ns == before


def test_other_weights_replace_what_an_earlier_fetch_left(store: Store, target: Path) -> None:
    store.put("other/config.json", b"{ }")
    fetch_weights(LocalFolder(f"{store.url}/base"), target)
    assert fetch_weights(LocalFolder(f"{store.url}/other"), target)
    assert [path.name for path in target.glob("[!.]*")] == ["config.json"]


def test_weights_of_the_same_name_and_size_are_told_apart_by_digest(
    store: Store, target: Path
) -> None:
    merged = StageWeights(store.url, "demo/engrave/merged")
    fetch_weights(merged, target)
    store.delete("demo/engrave/manifest.json")
    new = b"v" * 100
    store.put("demo/engrave/merged/model.safetensors", new)
    digest = hashlib.sha256(new).hexdigest()
    part = PartInfo(name="merged/model.safetensors", size=100, sha256=digest)
    write_manifest(store, "demo/engrave", Manifest(stage="engrave", parts=(part,)))
    assert fetch_weights(merged, target)
    assert (target / "model.safetensors").read_bytes() == new


def index(*names: str) -> bytes:
    return json.dumps({"weight_map": {f"w{n}": name for n, name in enumerate(names)}}).encode()


@pytest.mark.parametrize(
    ("source", "change", "error", "message"),
    [
        ("none", {}, ModelError, "no such folder"),
        ("base", {"base/config.json": None}, ModelError, "no config.json there.*found model"),
        (
            "base",
            {"base/model.safetensors.index.json": index("a.safetensors", "model.safetensors")},
            ModelError,
            "names a.safetensors, which is not there",
        ),
        (
            "base",
            {"base/model.safetensors.index.json": b"[]"},
            ModelError,
            "not an index of weights",
        ),
        (
            "demo/engrave/merged",
            {"demo/engrave/merged/model.safetensors": b"x"},
            ModelError,
            "says 100 bytes, found 1; .* damaged",
        ),
        (
            "demo/engrave/merged",
            {"demo/engrave/merged/model.safetensors": b"x" * 100},
            ModelError,
            "SHA-256 is .*damaged",
        ),
        (
            "demo/engrave/merged",
            {"demo/engrave/merged/tokenizer.json": None},
            ModelError,
            "found nothing",
        ),
    ],
)
def test_weights_that_are_not_whole_are_refused(
    source: str,
    change: dict[str, bytes | None],
    error: type[SelfAlignError],
    message: str,
    store: Store,
    target: Path,
) -> None:
    for key, data in change.items():
        if data is None:
            store.delete(key)
        else:
            store.put(key, data)
    with pytest.raises(error, match=message):
        fetch_weights(LocalFolder(f"{store.url}/{source}"), target)
    assert not (target / COMPLETE).exists()


def test_a_folder_with_files_of_the_users_is_left_alone(store: Store, target: Path) -> None:
    target.mkdir()
    (target / "thesis.txt").write_text("x")
    with pytest.raises(ConfigError, match=r"holds thesis\.txt, which no earlier fetch"):
        fetch_weights(LocalFolder(f"{store.url}/base"), target)
    assert (target / "thesis.txt").read_text() == "x"


def test_a_folder_that_cannot_be_made(store: Store, target: Path) -> None:
    target.write_text("a file")
    with pytest.raises(StoreError, match="cannot be written"):
        fetch_weights(LocalFolder(f"{store.url}/base"), target / "in")


def test_the_command(store: Store, target: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["weights", "fetch", f"{store.url}/base", str(target)]
    for new in (True, False):
        assert run(arguments) == 0
        last = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert last == {"event": "fetched", "source": f"{store.url}/base", "new": new}
    assert run(["weights", "fetch", f"{store.url}/none", str(target)]) == 66


def test_a_claim_is_not_fetched(target: Path) -> None:
    with pytest.raises(ModelError, match="pvc://models/llama: a claim is mounted, not fetched"):
        fetch_weights(ClaimFolder("pvc://models/llama"), target)


def test_a_folder_is_fetched_by_its_address_too(store: Store, target: Path) -> None:
    assert fetch_weights(StoreFolder(f"file://{store.url}/base"), target)
    with pytest.raises(ModelError, match="no such folder"):
        fetch_weights(StoreFolder(f"file://{store.url}/none"), target)
    assert not Path(store.url, "none").exists()


def test_a_hub_model_is_fetched_at_its_revision(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str | None]] = []

    def download(
        repository: str, *, revision: str | None, local_dir: Path, allow_patterns: list[str]
    ) -> None:
        asked.append((repository, revision))
        for name, data in FILES.items():
            (local_dir / name).write_bytes(data)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    assert fetch_weights(HubModel("owner/model", "v2"), target)
    assert not fetch_weights(HubModel("owner/model", "v2"), target)
    assert asked == [("owner/model", "v2")]


def test_what_the_hub_does_not_give_is_named(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(*args: object, **options: object) -> None:
        raise OSError("404 Client Error\nand more")

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    with pytest.raises(ModelError, match=r"owner/none: the hub does not give it: 404 Client Err"):
        fetch_weights(HubModel("owner/none"), target)
    assert not (target / COMPLETE).exists()
