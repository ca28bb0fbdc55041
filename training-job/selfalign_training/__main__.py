"""Entry point: `python -m selfalign_training --help`."""

import os
import sys
import traceback
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

from selfalign.errors import ConfigError, SelfAlignError
from selfalign_training.configuration.batch_plan import plan_batches
from selfalign_training.configuration.deepspeed_keys import (
    can_ask_deepspeed,
    check_deepspeed_keys,
)
from selfalign_training.configuration.reading import load_config
from selfalign_training.data.check import check_files
from selfalign_training.launch.command_line import RANK, parse
from selfalign_training.launch.environment import (
    choose_accelerator,
    die_with_launcher,
    leave,
    prepare_environment,
    stand_alone,
)
from selfalign_training.launch.exit_codes import DONE, TERMINATED, UNEXPECTED
from selfalign_training.launch.torchrun import launch

LAUNCHERS = ("launch", "node")


def main(arguments: list[str]) -> int:
    """Runs the command; returns the exit code, see launch.exit_codes."""
    try:
        parsed = parse(arguments)
        return COMMANDS[parsed.command](parsed)
    except SystemExit as stop:
        # argparse's, and that of a node which is ended while it waits.
        return int(stop.code or DONE)
    except SelfAlignError as error:
        print(f"{origin()}{error}", file=sys.stderr, flush=True)
        return error.exit_code
    except Exception:
        traceback.print_exc()
        return UNEXPECTED


def check(arguments: Namespace) -> int:
    """Says whether a job could start with this file; with `ranks`, its batch arithmetic too."""
    path, ranks = Path(arguments.config), arguments.ranks
    config = load_config(path)
    check_files(config)
    if config.deepspeed_config is not None and can_ask_deepspeed():
        prepare_environment()
        choose_accelerator()
        check_deepspeed_keys(config.deepspeed_config)
    if ranks is not None:
        if not ranks.isdecimal():
            raise ConfigError(f"ranks: {ranks!r} is not a whole number; expected e.g. 2")
        plan_batches(config.global_batch_size, config.micro_batch_size, int(ranks))
    print(f"{path}: valid", file=sys.stderr)
    return DONE


def estimate(arguments: Namespace) -> int:
    """Memory, steps and hours."""
    from selfalign_training.estimate.command import print_estimate

    print_estimate(arguments)
    return DONE


def launch_here(arguments: Namespace) -> int:
    """torchrun on this machine."""
    return launch(arguments.torchrun, Path(arguments.config))


def node(arguments: Namespace) -> int:
    """This machine's part of a job on several."""
    from selfalign_training.launch.node import run_node

    return run_node(Path(arguments.config))


def rank(arguments: Namespace) -> int:
    """One rank of a job."""
    prepare_environment()
    if "WORLD_SIZE" in os.environ:
        die_with_launcher()
    else:
        stand_alone()
    config = load_config(Path(arguments.config))
    from selfalign_training.trainer.run_job import Outcome, run_job

    return TERMINATED if run_job(config) is Outcome.TERMINATED else DONE


COMMANDS: dict[str, Callable[[Namespace], int]] = {
    "check": check,
    "estimate": estimate,
    "launch": launch_here,
    "node": node,
    RANK: rank,
}


def origin() -> str:
    """Where a message comes from, where that is not rank 0."""
    rank = os.environ.get("RANK", "0")
    return "" if rank == "0" else f"[rank {rank}] "


if __name__ == "__main__":
    exit_code = main(sys.argv[1:])
    if "torch" in sys.modules and sys.argv[1] not in LAUNCHERS:
        leave(exit_code)
    sys.exit(exit_code)
