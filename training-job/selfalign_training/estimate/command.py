"""`python -m selfalign_training estimate`: the command line."""

import argparse
import json
import math
from pathlib import Path

from selfalign.errors import ConfigError
from selfalign_training.estimate.duration import Cluster
from selfalign_training.estimate.gpus import GPUS, find_gpu
from selfalign_training.estimate.record import as_json
from selfalign_training.estimate.render import as_text
from selfalign_training.estimate.report import make_estimate
from selfalign_training.load import load_config


def estimate(options: list[str]) -> int:
    """Prints the estimate of a configuration file; returns the exit code.

    Raises:
        ConfigError, ModelError, DataError: as make_estimate; an option makes no sense.
    """
    arguments = parser().parse_args(options)
    cluster = Cluster(
        gpu=find_gpu(arguments.gpu),
        gpus=whole("--count", arguments.count),
        gpus_per_node=whole("--gpus-per-node", arguments.gpus_per_node),
        network_gb_s=positive("--network-gbit", arguments.network_gbit) / 8,
        utilisation=positive("--utilisation", arguments.utilisation, at_most=1.0),
    )
    rows = None if arguments.rows is None else whole("--rows", arguments.rows)
    tokens = arguments.tokens_per_row
    result = make_estimate(
        load_config(Path(arguments.config)),
        cluster,
        rows,
        None if tokens is None else positive("--tokens-per-row", tokens),
    )
    print(json.dumps(as_json(result), indent=2) if arguments.json else as_text(result))
    return 0


def parser() -> argparse.ArgumentParser:
    """The options; numbers are checked afterwards, with messages like those of the file."""
    made = argparse.ArgumentParser(
        prog="python -m selfalign_training estimate",
        description="Memory per GPU, tokens, steps and hours of a job, before anything is loaded.",
    )
    add = made.add_argument
    add("-c", "--config", required=True, help="the job's YAML file")
    add("--gpu", default="h100-80gb", help=f"one of {', '.join(gpu.name for gpu in GPUS)}")
    add("--count", default="8", help="GPUs of the whole job (8)")
    add("--gpus-per-node", default="8", help="GPUs of one machine (8)")
    add("--network-gbit", default="400", help="of each GPU between machines (400)")
    add("--rows", help="accepted rows; else the data's manifest says")
    add("--tokens-per-row", help="mean of prompt and answer; else the data are looked at")
    add("--utilisation", default="0.4", help="share of the GPU's peak that is reached (0.4)")
    add("--json", action="store_true", help="for programs")
    return made


def whole(option: str, text: str) -> int:
    """A whole number of at least 1. Raises ConfigError."""
    if not text.isdecimal() or int(text) < 1:
        raise ConfigError(f"{option}: {text!r}; expected a whole number of at least 1")
    return int(text)


def positive(option: str, text: str, at_most: float = math.inf) -> float:
    """A number above 0. Raises ConfigError."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (0 < value <= at_most and math.isfinite(value)):
        limit = "" if math.isinf(at_most) else f" and at most {at_most:g}"
        raise ConfigError(f"{option}: {text!r}; expected a number above 0{limit}")
    return value
