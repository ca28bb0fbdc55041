"""Where the published prompts and recorded transcripts lie, if they are here at all."""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


def reference_path(*parts: str) -> Path:
    """A path in the reference material; skips the test where it is absent.

    SELFALIGN_REFERENCE names the folder; by default it is shared/reference beside the checkout.
    """
    root = Path(os.environ.get("SELFALIGN_REFERENCE", REPOSITORY.parent / "shared" / "reference"))
    path = root.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"reference material is not here: {'/'.join(parts)} (SELFALIGN_REFERENCE)")
    return path
