"""Writes the parts of the documentation that follow from the code.

`python -m docs.build` writes docs/settings.md, and the drawing of imports and the file tree of
docs/architecture.md; with --check it compares them, and the exit code tells of a difference.
"""

import re
import sys

from docs.imports import REPOSITORY, diagram, folder_imports, graph
from docs.reference import settings_page
from docs.tree import tree

SETTINGS = REPOSITORY / "docs" / "settings.md"
ARCHITECTURE = REPOSITORY / "docs" / "architecture.md"
DRAWING = re.compile(r"```mermaid\n.*?```", re.DOTALL)
TREE = re.compile(r"^services/selfalign/ .*?(?=^```)", re.DOTALL | re.MULTILINE)


def main(argv: list[str]) -> int:
    """Writes what is not current, or with --check names it."""
    drawing, files_drawn = diagram(graph(folder_imports())), tree()
    page = DRAWING.sub(lambda _: drawing, ARCHITECTURE.read_text(), count=1)
    files = {
        SETTINGS: settings_page(),
        ARCHITECTURE: TREE.sub(lambda _: files_drawn, page, count=1),
    }
    stale = [path for path, text in files.items() if not path.exists() or path.read_text() != text]
    for path in stale:
        if "--check" in argv:
            print(f"{path} does not follow the code; run `make docs`")
        else:
            path.write_text(files[path])
            print(f"wrote {path}")
    return int("--check" in argv and bool(stale))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
