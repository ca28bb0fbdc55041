"""The import direction of docs/architecture.md, held for every module."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SERVICES = REPOSITORY / "services"
TRAINING = REPOSITORY / "training-job"

LEAVES = {
    "settings", "inference", "constitution", "dedup", "storage", "telemetry", "filters",
    "answering",
}  # fmt: skip
METHOD = {"prompt_synthesizer", "principle_engine", "refiner", "evaluation"}
FOR_ALL = {"errors", "events", "roles"}
# Package of selfalign -> packages of selfalign that it may import besides itself and FOR_ALL.
ALLOWED: dict[str, set[str]] = {
    "roles": set(),
    "errors": set(),
    "events": set(),
    "v1": set(),
    "settings": set(),
    "telemetry": set(),
    "storage": set(),
    "dedup": set(),
    "constitution": {"settings"},
    "weights": {"settings", "storage"},
    "filters": {"settings"},
    "answering": {"settings", "storage", "inference", "constitution", "filters"},
    "inference": {"settings", "telemetry"},
    "rpc": {"settings", "storage", "telemetry", "v1"},
    **{package: {*LEAVES, "rpc"} for package in METHOD},
    "training_settings": {"settings"},
    "pipeline": {*LEAVES, *METHOD, "rpc", "weights", "training_settings"},
    "model_server": {"settings"},
    "cli": {*LEAVES, *METHOD, "rpc", "weights", "pipeline", "model_server"},
    "selfalign_training": {"settings", "storage", "training_settings"},
}
HEAVY = {"torch", "transformers", "deepspeed", "peft", "trl", "pandas", "datasets"}
# Settings alone: the run configuration checks them, and the local executor passes them on.
MODEL_SERVER_OPTIONS = "selfalign.model_server.options"
MAY_USE_TORCH = {"model_server", "selfalign_training"}


def modules() -> Iterator[Path]:
    for root in (SERVICES / "selfalign", TRAINING / "selfalign_training"):
        for path in sorted(root.rglob("*.py")):
            if "selfalign/v1/" not in path.as_posix():
                yield path


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def package_of(path: Path) -> str:
    if path.is_relative_to(TRAINING):
        return "selfalign_training"
    parts = path.relative_to(SERVICES / "selfalign").with_suffix("").parts
    return parts[0]


@pytest.mark.parametrize(
    "path", list(modules()), ids=lambda path: path.relative_to(REPOSITORY).as_posix()
)
def test_imports_point_one_way(path: Path) -> None:
    package = package_of(path)
    if package == "__init__":
        return
    allowed = ALLOWED[package] | {package} | FOR_ALL
    if path.name == "service.py":
        allowed = allowed | {"v1"}
    for name in imports(path):
        if name.startswith(MODEL_SERVER_OPTIONS):
            continue
        top, _, rest = name.partition(".")
        if top in HEAVY:
            assert package in MAY_USE_TORCH, f"{name} is too heavy for {package}"
        if top == "selfalign_training":
            assert package == "selfalign_training", f"{package} must not import {name}"
        if top == "selfalign" and rest:
            assert rest.split(".")[0] in allowed, f"{package} must not import {name}"


def test_the_table_names_every_package() -> None:
    packages = {package_of(path) for path in modules()} - {"__init__"}
    assert packages - set(ALLOWED) == set()
