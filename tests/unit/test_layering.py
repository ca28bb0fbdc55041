"""The import direction of docs/architecture.md, held for every module and every folder."""

from itertools import pairwise
from pathlib import Path

import pytest

from docs.imports import (
    REPOSITORY,
    circle,
    folder_imports,
    folder_of,
    graph,
    imports,
    modules,
    reachable,
    reduced,
)

LEAVES = {
    "layout", "settings", "inference", "constitution", "dedup", "storage", "telemetry", "filters",
    "answering", "prompt_files",
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
    "options": {"settings"},
    "processor": set(),
    "telemetry": set(),
    "storage": set(),
    "dedup": set(),
    "constitution": {"settings", "filters"},
    "layout": {"settings", "constitution"},
    "weights": {"settings", "storage"},
    "filters": {"settings"},
    "prompt_files": {"settings"},
    "answering": {"settings", "storage", "inference", "constitution", "filters"},
    "inference": {"settings", "telemetry"},
    "rpc": {"settings", "storage", "telemetry", "layout", "v1"},
    **{package: {*LEAVES, "rpc"} for package in METHOD},
    "training_settings": {"settings"},
    "pipeline": {*LEAVES, *METHOD, "rpc", "weights", "training_settings", "options"},
    "model_server": {"settings", "options", "layout", "processor"},
    "cli": {*LEAVES, *METHOD, "rpc", "weights", "pipeline", "model_server", "options"},
    "selfalign_training": {"settings", "storage", "training_settings", "processor"},
}
HEAVY = {"torch", "transformers", "deepspeed", "peft", "trl", "pandas", "datasets"}
# Settings alone: the run configuration checks them, and the local executor passes them on.
MODEL_SERVER_OPTIONS = "selfalign.model_server.server_options"
MAY_USE_TORCH = {"model_server", "selfalign_training", "processor"}


def package_of(path: Path) -> str:
    """The package below selfalign, or selfalign_training as a whole."""
    return folder_of(path).split("/")[0]


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
    for one in imports(path):
        if one.module.startswith(MODEL_SERVER_OPTIONS) and package == "pipeline":
            continue
        top, _, rest = one.module.partition(".")
        if top in HEAVY:
            assert package in MAY_USE_TORCH, f"{one}: too heavy for {package}"
        if top == "selfalign_training":
            assert package == "selfalign_training", f"{one}: not for {package}"
        if top == "selfalign" and rest:
            assert rest.split(".")[0] in allowed, f"{one}: not for {package}"


def test_the_table_names_every_package() -> None:
    packages = {package_of(path) for path in modules()} - {"__init__"}
    assert packages - set(ALLOWED) == set()


def test_no_circle_between_folders() -> None:
    edges = folder_imports()
    found = circle(graph(edges))
    lines = [
        f"{importer} -> {imported}\n" + "\n".join(f"  {one}" for one in edges[importer, imported])
        for importer, imported in pairwise(found)
    ]
    assert not found, "these folders import each other:\n" + "\n".join(lines)


def test_a_circle_is_found_and_told_in_the_direction_of_its_imports() -> None:
    found = circle({"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set()})
    assert found[0] == found[-1]
    assert set(pairwise(found)) == {("a", "b"), ("b", "c"), ("c", "a")}
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_the_drawing_leaves_out_only_what_follows() -> None:
    whole = graph(folder_imports())
    drawn = reduced(whole)
    assert all(reachable(drawn, folder) == reachable(whole, folder) for folder in whole)
    assert reduced({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == {
        "a": {"b"},
        "b": {"c"},
        "c": set(),
    }


def test_hidden_imports_count_too(tmp_path: Path) -> None:
    path = tmp_path / "hidden.py"
    path.write_text(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from selfalign.pipeline import runner\n"
        "def late():\n    import selfalign.storage.store\n"
    )
    found = {one.module for one in imports(path)}
    assert found >= {"selfalign.pipeline.runner", "selfalign.storage.store"}
