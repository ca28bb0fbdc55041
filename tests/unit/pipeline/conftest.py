"""Runs in temporary folders."""

from functools import partial
from pathlib import Path

import pytest

from support.runs import MakeRun, run_in


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    return partial(run_in, tmp_path)
