"""Digests that say what a model was trained from."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from selfalign_training.config import TrainingConfig
from selfalign_training.export import file_part
from selfalign_training.ranks import cores

# Where a job ran is no part of what it was.
ELSEWHERE = {"work_dir", "metrics_port", "report_to"}


def config_digest(config: TrainingConfig) -> str:
    """16 hex digits over the resolved configuration."""
    text = config.model_dump_json(exclude=ELSEWHERE)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def model_digest(folder: Path) -> str:
    """16 hex digits over the names and contents of configuration and weights.

    Files are hashed side by side: 130 GB would take minutes on one core.
    """
    paths = [folder / "config.json", *sorted(folder.glob("*.safetensors"))]
    with ThreadPoolExecutor(min(cores(), len(paths))) as pool:
        parts = list(pool.map(lambda path: file_part(path, path.name), paths))
    listed = "".join(f"{part.name} {part.sha256}\n" for part in parts)
    return hashlib.sha256(listed.encode()).hexdigest()[:16]
