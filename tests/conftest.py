"""The small real model and a model server over it, for tests marked `model`."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from support.model_server_process import ModelServerProcess

REPOSITORY = Path(__file__).resolve().parents[1]

# A time limit of an example says something of the machine's load and of coverage's tracing alone.
settings.register_profile("selfalign", deadline=None)
settings.load_profile("selfalign")


@pytest.fixture(scope="session")
def small_model() -> Path:
    """SELFALIGN_MODEL, or the prepared SmolLM2-135M; made at the first need."""
    named = os.environ.get("SELFALIGN_MODEL")
    if named:
        return Path(named)
    folder = REPOSITORY / ".cache" / "models" / "smollm2-135m"
    prepare = [sys.executable, "-m", "selfalign.model_server.prepare", "--output", str(folder)]
    done = subprocess.run(prepare, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"the small model cannot be made here: {done.stderr.strip()[-300:]}")
    return folder


@pytest.fixture(scope="session")
def model_server(small_model: Path) -> Iterator[str]:
    """Base URL of a real server process over the small model.

    fp32: in bf16 a seed's text may depend, by rounding, on which requests share its batch.
    """
    with ModelServerProcess(small_model, "--dtype", "fp32") as server:
        yield server.url
