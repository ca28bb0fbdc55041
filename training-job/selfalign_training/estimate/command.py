"""The command `estimate`: from its options to what it prints."""

import json
import math
from argparse import Namespace
from pathlib import Path

from selfalign.errors import ConfigError
from selfalign_training.configuration.reading import load_config
from selfalign_training.estimate.as_json import as_json
from selfalign_training.estimate.as_text import as_text
from selfalign_training.estimate.duration import GpuCluster
from selfalign_training.estimate.gpus import find_gpu
from selfalign_training.estimate.job_estimate import make_estimate


def print_estimate(arguments: Namespace) -> None:
    """Prints the estimate of a configuration file.

    Raises:
        ConfigError, ModelError, DataError: as make_estimate; an option makes no sense.
    """
    cluster = GpuCluster(
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
