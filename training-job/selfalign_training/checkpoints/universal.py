"""Checkpoints for another number of ranks, through DeepSpeed's universal format."""

import shutil
import subprocess
import sys
from pathlib import Path

from selfalign.errors import StageError

CONVERTER = "deepspeed.checkpoint.ds_to_universal"
SUFFIX = "_universal"


def to_universal(checkpoint: Path, workers: int) -> None:
    """Converts DeepSpeed's part of a checkpoint in place, beside the original.

    In a process of its own: it prints, and holds as much memory as the optimizer's state.

    Args:
        checkpoint: A folder that transformers wrote, with the files of all ranks.
        workers: Processes that convert.

    Raises:
        StageError: the converter failed.
    """
    tag = (checkpoint / "latest").read_text().strip()
    target = checkpoint / f"{tag}{SUFFIX}"
    shutil.rmtree(target, ignore_errors=True)
    command = [
        *(sys.executable, "-m", CONVERTER, "--inject_missing_state"),
        *("--input_folder", str(checkpoint / tag), "--output_folder", str(target)),
        *("--num_extract_workers", str(workers), "--num_merge_workers", str(workers)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise StageError(
            f"{checkpoint}: cannot be converted for another number of ranks: "
            f"{said[-1] if said else f'exit code {done.returncode}'}"
        )
