"""The imports between the folders of the source: read, checked for circles, drawn.

A folder is named as from `services/selfalign` or `training-job`, e.g. `pipeline/stages` or
`selfalign_training/data`; `errors` is the one module beside the packages. Imports inside functions
and under TYPE_CHECKING count like all others. tests/unit/test_layering.py holds the rules, and
docs/architecture.md has the drawing (`make docs`).
"""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
SERVICES = REPOSITORY / "services"
TRAINING = REPOSITORY / "training-job"
PACKAGES = (SERVICES / "selfalign", TRAINING / "selfalign_training")
GENERATED = "v1"

Graph = dict[str, set[str]]
"""Folder -> the folders that it imports, itself left out."""


@dataclass(frozen=True, slots=True)
class Import:
    """One import statement's module."""

    path: Path
    line: int
    module: str
    """Dotted: of `from a import b` it is a.b where that is a module of the source, else a."""

    def __str__(self) -> str:
        return f"{self.path.relative_to(REPOSITORY)}:{self.line}: imports {self.module}"


def modules() -> Iterator[Path]:
    """All modules of the source but the generated stubs."""
    for package in PACKAGES:
        for path in sorted(package.rglob("*.py")):
            if path.relative_to(package).parts[0] != GENERATED:
                yield path


def imports(path: Path) -> list[Import]:
    """What a module imports, each module once a line."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return list(dict.fromkeys(one for node in ast.walk(tree) for one in _imports(path, node)))


def _imports(path: Path, node: ast.AST) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield Import(path, node.lineno, alias.name)
    elif isinstance(node, ast.ImportFrom) and node.module:
        for alias in node.names:
            whole = f"{node.module}.{alias.name}"
            yield Import(path, node.lineno, whole if source_of(whole) else node.module)


def source_of(module: str) -> Path | None:
    """The file of a module of ours, or None."""
    top, *rest = module.split(".")
    for package in PACKAGES:
        if package.name == top:
            path = package.joinpath(*rest)
            for file in (path.with_suffix(".py"), path / "__init__.py"):
                if file.is_file():
                    return file
    return None


def folder_of(path: Path) -> str:
    """The folder of a module, as this file names it."""
    if path.is_relative_to(TRAINING):
        return path.parent.relative_to(TRAINING).as_posix()
    parent = path.parent.relative_to(SERVICES / "selfalign")
    return parent.as_posix() if parent.parts else path.stem


def folder_imports() -> dict[tuple[str, str], list[Import]]:
    """The imports that lead from one folder to another."""
    found: dict[tuple[str, str], list[Import]] = {}
    for path in modules():
        for one in imports(path):
            target = source_of(one.module)
            if target is not None and folder_of(target) != folder_of(path):
                found.setdefault((folder_of(path), folder_of(target)), []).append(one)
    return found


def graph(edges: Iterable[tuple[str, str]]) -> Graph:
    """The graph of these edges, from the importing folder to the imported one."""
    found: Graph = {}
    for importer, imported in edges:
        found.setdefault(importer, set()).add(imported)
        found.setdefault(imported, set())
    return found


def circle(folders: Graph) -> list[str]:
    """A circle of imports, its first folder again at the end; empty where there is none."""
    try:
        TopologicalSorter(folders).prepare()
    except CycleError as error:
        # graphlib lists what is imported before what imports it.
        return list(reversed(error.args[1]))
    return []


def reachable(folders: Graph, start: str) -> set[str]:
    """What a folder imports, directly or through others."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        new = folders[waiting.pop()] - found
        found |= new
        waiting += new
    return found


def reduced(folders: Graph) -> Graph:
    """The graph without the imports that follow from longer ways (its transitive reduction).

    Folders of one circle keep all imports of each other.
    """
    below = {folder: reachable(folders, folder) for folder in folders}

    def follows(folder: str, target: str, other: str) -> bool:
        if folder in below[other] or target not in below[other] or target == other:
            return False
        # Of two that import each other, the first one is kept.
        return other not in below[target] or other < target

    return {
        folder: {
            target
            for target in targets
            if not any(follows(folder, target, other) for other in targets)
        }
        for folder, targets in folders.items()
    }


def diagram(folders: Graph) -> str:
    """The reduced graph as a Mermaid flowchart, what imports above what is imported."""
    lines = ["```mermaid", "flowchart TD"]
    for folder, targets in sorted(reduced(folders).items()):
        if targets:
            lines.append(f"    {folder} --> {' & '.join(sorted(targets))}")
    return "\n".join([*lines, "```"])
