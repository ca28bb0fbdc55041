"""Keeps the tests from running machine code of an older source."""

from pathlib import Path

import selfalign.dedup

FOLDER = Path(selfalign.dedup.__path__[0])


def pytest_configure() -> None:
    """Removes compiled kernels older than any module of the package; see jit.py."""
    newest = max(module.stat().st_mtime for module in FOLDER.glob("*.py"))
    for compiled in (FOLDER / "__pycache__").glob("*.nbi"):
        if compiled.stat().st_mtime < newest:
            compiled.unlink(missing_ok=True)
