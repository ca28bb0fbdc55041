"""The real model server with the real small model, started once."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
MODEL = REPOSITORY / ".cache" / "models" / "smollm2-135m"


@pytest.fixture(scope="module")
def model_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its URL."""
    if not (MODEL / "config.json").exists():
        pytest.skip("the small model is not here: make model")
    log = tmp_path_factory.mktemp("model-server") / "log.txt"
    command = [sys.executable, "-m", "selfalign.model_server", "--model", str(MODEL), "--port", "0"]
    with log.open("wb") as stderr:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True)
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if line.startswith("{") and json.loads(line).get("event") == "ready":
                yield f"http://{json.loads(line)['address']}"
                break
        else:
            pytest.fail(f"the model server did not start:\n{log.read_text()}")
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()
