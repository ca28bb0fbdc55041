"""Having the training job check a configuration, without starting it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from selfalign.errors import error_for_exit_code

TIMEOUT_S = 120.0


def run_training_check(settings: dict[str, Any], ranks: int, folder: Path) -> None:
    """Refuses settings with which a job of `ranks` ranks could not start.

    Args:
        folder: Where the file that is checked is written.

    Raises:
        ConfigError, ModelError: with the training job's own message.
    """
    path = folder / "training-check.yaml"
    path.write_text(yaml.safe_dump(settings, sort_keys=False, allow_unicode=True))
    command = [sys.executable, "-m", "selfalign_training", "check", str(path), str(ranks)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
    if done.returncode:
        kind = error_for_exit_code(done.returncode)
        raise kind(f"training settings: {done.stderr.strip()[-2000:]}")
