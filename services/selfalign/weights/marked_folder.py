"""A folder that says what it holds: nothing, a part of something, or the whole."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfalign.errors import ConfigError, StoreError

COMPLETE = ".complete"
"""Written last: the folder holds what the marker names."""
STARTED = ".fetching"
"""Written first: a fetch that was killed goes on with the files that are whole."""

Marker = dict[str, Any]
"""What tells one content from another; `files` maps the names of files to their sizes."""


@dataclass(frozen=True, slots=True)
class MarkedFolder:
    """A folder that fetches fill, one content at a time."""

    path: Path

    def holds(self, marker: Marker) -> bool:
        """Whether that content was fetched to its end, and its files still have their sizes."""
        if _read(self.path / COMPLETE) != marker:
            return False
        files = [(self.path / name, size) for name, size in marker.get("files", {}).items()]
        return all(path.is_file() and path.stat().st_size == size for path, size in files)

    def begin(self, marker: Marker) -> None:
        """Makes the folder ready: empty, or with what an interrupted fetch of the same left.

        Raises:
            ConfigError: it holds files that no fetch has put there.
            StoreError: it cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            complete, started = _read(self.path / COMPLETE), _read(self.path / STARTED)
            (self.path / COMPLETE).unlink(missing_ok=True)
            if started != marker:
                for old in (complete, started):
                    self._remove(old or {})
                self._refuse_foreign_files()
                (self.path / STARTED).write_text(json.dumps(marker))
        except OSError as error:
            raise StoreError(f"{self.path}: cannot be written: {error.strerror}") from error

    def finish(self) -> None:
        """Marks the content as whole."""
        (self.path / STARTED).replace(self.path / COMPLETE)

    def _remove(self, marker: Marker) -> None:
        for name in marker.get("files", {}):
            (self.path / name).unlink(missing_ok=True)

    def _refuse_foreign_files(self) -> None:
        paths = self.path.iterdir()
        left = sorted(p.name for p in paths if p.is_file() and not p.name.startswith("."))
        if left:
            raise ConfigError(
                f"{self.path}: holds {', '.join(left[:5])}, which no earlier fetch has put there; "
                "name an empty folder"
            )


def _read(path: Path) -> Marker | None:
    try:
        marker = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return marker if isinstance(marker, dict) else None
