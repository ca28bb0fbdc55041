"""The file tree of docs/architecture.md: each module with the first line of its docstring."""

import ast
from collections.abc import Iterator
from pathlib import Path

from docs.imports import REPOSITORY, modules

FOLDER_WIDTH, FILE_WIDTH = 44, 23


def tree() -> str:
    """One line a folder, one a module below it."""
    return "".join(f"{line}\n" for line in _lines())


def _lines() -> Iterator[str]:
    folders: dict[Path, list[Path]] = {}
    for path in modules():
        folders.setdefault(path.parent, []).append(path)
    for folder in sorted(folders):
        name = folder.relative_to(REPOSITORY).as_posix() + "/"
        yield f"{name:<{FOLDER_WIDTH}} {_first_line(folder / '__init__.py')}"
        for path in sorted(folders[folder]):
            if path.name != "__init__.py":
                yield f"  {path.name:<{FILE_WIDTH}} {_first_line(path)}"


def _first_line(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text())) or ""
    return text.split("\n", 1)[0].rstrip(".")
