"""Writes the parts of the documentation that follow from the code.

`python -m docs.build` writes docs/settings.md and the drawing of imports in docs/architecture.md;
with --check it compares them, and the exit code tells of a difference.
"""

import re
import sys

from docs.imports import REPOSITORY, diagram, folder_imports, graph
from docs.reference import settings_page

SETTINGS = REPOSITORY / "docs" / "settings.md"
ARCHITECTURE = REPOSITORY / "docs" / "architecture.md"
DRAWING = re.compile(r"```mermaid\n.*?```", re.DOTALL)


def main(argv: list[str]) -> int:
    """Writes what is not current, or with --check names it."""
    drawing = diagram(graph(folder_imports()))
    files = {
        SETTINGS: settings_page(),
        ARCHITECTURE: DRAWING.sub(lambda _: drawing, ARCHITECTURE.read_text(), count=1),
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
