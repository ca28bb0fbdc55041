"""A job's catalogue in a folder store, and checkpoints to put into it."""

from pathlib import Path

import pytest

from selfalign.storage.open import open_store
from selfalign_training.checkpoints.catalogue import Catalogue


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    return Catalogue(open_store(str(tmp_path / "store")), "run/engrave", "abc")
