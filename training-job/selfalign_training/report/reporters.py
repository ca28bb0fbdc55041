"""TensorBoard and Weights & Biases, through transformers' own callbacks."""

import os
from importlib.util import find_spec
from pathlib import Path

from selfalign.errors import ConfigError
from selfalign.training_settings.hyperparameters import Reporter

# Each is served by any one of its packages.
PACKAGES: dict[Reporter, tuple[str, ...]] = {
    "tensorboard": ("tensorboard", "tensorboardX"),
    "wandb": ("wandb",),
}


def check_reporters(names: tuple[Reporter, ...]) -> None:
    """Raises ConfigError for a reporter whose package is not installed."""
    for name in names:
        if not any(find_spec(package) for package in PACKAGES[name]):
            raise ConfigError(
                f"report_to: {name} is not installed here; pip install {PACKAGES[name][0]}, or "
                "take it off the list"
            )


def place_logs(work_dir: Path, job: str) -> None:
    """TensorBoard's files outlive the job's own folder; TENSORBOARD_LOGGING_DIR wins."""
    os.environ.setdefault("TENSORBOARD_LOGGING_DIR", str(work_dir.absolute() / "tensorboard" / job))
