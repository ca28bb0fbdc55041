"""What the Dockerfiles promise, read off them; tests/kind looks at the built images."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("services", "model-server", "training")
SCRIPTS = sorted(
    path for folder in ("images", "tests/kind/cluster") for path in (ROOT / folder).rglob("*.sh")
)


def dockerfile(name: str) -> str:
    return (ROOT / f"Dockerfile.{name}").read_text()


def stages(text: str) -> list[str]:
    return re.split(r"^FROM ", text, flags=re.MULTILINE)[1:]


def shared_part(name: str) -> str:
    text = dockerfile(name)
    return text[text.index("# What each part needs") : text.index("\n# -----")]


def test_model_server_and_training_begin_with_the_same_layers() -> None:
    assert shared_part("model-server") == shared_part("training")


@pytest.mark.parametrize("name", NAMES)
def test_the_base_is_pinned_and_can_be_replaced(name: str) -> None:
    text = dockerfile(name)
    assert re.search(r"^ARG BASE_IMAGE=python:3\.11\.\d+-slim-bookworm$", text, re.MULTILINE)
    assert not text.startswith("# syntax"), "a closed machine has no frontend image"
    known = {"${BASE_IMAGE}", "${BUILD_IMAGE}", "build", "torch", "training", "final"}
    assert {stage.split()[0] for stage in stages(text)} <= known
    assert "--mount" not in text, "the legacy builder has no mounts"


@pytest.mark.parametrize("name", NAMES)
def test_the_result_has_no_root_no_index_and_no_installer(name: str) -> None:
    last = stages(dockerfile(name))[-1]
    assert "USER 65532:65532\n" in last
    assert "INDEX" not in last
    assert "pip" not in last
    assert "org.opencontainers.image.revision" in last


@pytest.mark.parametrize("name", NAMES)
def test_packages_are_checked_against_the_lock(name: str) -> None:
    installs = [line for line in dockerfile(name).splitlines() if "uv pip install" in line]
    from_index = [line for line in installs if "--no-deps ." not in line]
    assert from_index
    assert all("--require-hashes -q -c requirements.lock" in line for line in from_index)


def test_the_lock_holds_hashes() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    pins = re.findall(r"^[a-z0-9._-]+==.*(?:\n    --hash=.*)+", lock, re.MULTILINE)
    assert len(pins) == len(re.findall(r"^[a-z0-9._-]+==", lock, re.MULTILINE)) > 100


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_scripts_can_be_read_by_bash(path: Path) -> None:
    subprocess.run(["bash", "-n", str(path)], check=True)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_scripts_call_scripts_that_are_there(path: Path) -> None:
    folders = {"here": path.parent, "images": ROOT / "images", "root": ROOT}
    called = re.findall(
        r"\$(here|images|root)/([\w./-]+\.(?:sh|Dockerfile|yaml))", path.read_text()
    )
    assert [name for folder, name in called if not (folders[folder] / name).is_file()] == []


@pytest.mark.parametrize("name", NAMES)
def test_what_is_copied_is_in_the_build_context(name: str) -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    context = [Path(line[1:]) for line in lines if line.startswith("!")]
    for line in re.findall(r"^COPY (?!--from)(.*) \S+$", dockerfile(name), re.MULTILINE):
        for source in map(Path, line.split()):
            assert (ROOT / source).exists(), source
            assert any(source.is_relative_to(p) or p.is_relative_to(source) for p in context), (
                source
            )
