"""The training job's own check, as the executors ask for it: its messages, its error types."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from selfalign.errors import ConfigError
from selfalign.pipeline.executors.contract.training_check import run_training_check
from support.training_data import small_settings

WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None
from selfalign_training.__main__ import main
sys.exit(main(["check", sys.argv[1], "2"]))
"""


@pytest.fixture
def settings() -> dict[str, Any]:
    return small_settings("owner/base")


def test_a_good_file_passes_also_where_there_is_no_torch(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    run_training_check(settings, 2, tmp_path)
    file = str(tmp_path / "training-check.yaml")
    done = subprocess.run([sys.executable, "-c", WITHOUT_TORCH, file], check=False)
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("changes", "ranks", "message"),
    [
        ({"epochs": 0}, 1, "epochs: .*greater than or equal to 1"),
        ({"learning_rat": 1e-4}, 1, "learning_rat: unknown key"),
        ({"global_batch_size": 8, "micro_batch_size": 4}, 3, "global_batch_size"),
    ],
)
def test_a_bad_file_is_refused_with_the_jobs_message(
    changes: dict[str, Any], ranks: int, message: str, settings: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message):
        run_training_check(settings | changes, ranks, tmp_path)
