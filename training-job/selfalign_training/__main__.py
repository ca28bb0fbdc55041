"""Entry point: `python -m selfalign_training --help`."""

import os
import socket
import sys
import traceback
from pathlib import Path
from typing import NoReturn

from selfalign.errors import ConfigError, SelfAlignError
from selfalign_training.batches import plan_batches
from selfalign_training.exit_codes import DONE, TERMINATED, UNEXPECTED, USAGE
from selfalign_training.launch import launch
from selfalign_training.load import load_config
from selfalign_training.ranks import die_with_launcher, prepare_environment
from selfalign_training.usage import COMMANDS, HELP

LAUNCHERS = ("launch", "node")


def main(arguments: list[str]) -> int:
    """Runs the command; returns the exit code, see exit_codes."""
    try:
        match arguments:
            case ["-h" | "--help" | "help"]:
                print(HELP)
                return DONE
            case [command, "-h" | "--help"] if command in COMMANDS:
                print(COMMANDS[command])
                return DONE
            case ["check", config]:
                return check(Path(config), None)
            case ["check", config, ranks]:
                return check(Path(config), ranks)
            case ["launch", *options] if options:
                return launch(options)
            case ["node", config]:
                from selfalign_training.node import node

                return node(Path(config))
            case ["estimate", *options]:
                from selfalign_training.estimate.command import estimate

                return estimate(options)
            case [config] if config not in COMMANDS and not config.startswith("-"):
                return run(Path(config))
        print(COMMANDS.get(arguments[0] if arguments else "", HELP), file=sys.stderr)
    except SelfAlignError as error:
        print(f"{place()}{error}", file=sys.stderr, flush=True)
        return error.exit_code
    except Exception:
        traceback.print_exc()
        return UNEXPECTED
    return USAGE


def check(path: Path, ranks: str | None) -> int:
    """Says whether a job could start with this file; with `ranks`, its batch arithmetic too."""
    config = load_config(path)
    if ranks is not None:
        if not ranks.isdecimal():
            raise ConfigError(f"ranks: {ranks!r} is not a whole number; expected e.g. 2")
        plan_batches(config.global_batch_size, config.micro_batch_size, int(ranks))
    print(f"{path}: valid", file=sys.stderr)
    return 0


def run(path: Path) -> int:
    """One rank of a job."""
    prepare_environment()
    if "WORLD_SIZE" in os.environ:
        die_with_launcher()
    else:
        stand_alone()
    config = load_config(path)
    from selfalign_training.train import Outcome, run_job

    return TERMINATED if run_job(config) is Outcome.TERMINATED else DONE


def stand_alone() -> None:
    """Gives a process without torchrun the rendezvous that DeepSpeed asks for."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    os.environ |= {
        "RANK": "0",
        "LOCAL_RANK": "0",
        "WORLD_SIZE": "1",
        "LOCAL_WORLD_SIZE": "1",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }


def place() -> str:
    """Where a message comes from, where that is not rank 0."""
    rank = os.environ.get("RANK", "0")
    return "" if rank == "0" else f"[rank {rank}] "


def leave(code: int) -> NoReturn:
    """Ends a rank without the interpreter's teardown.

    Threads of gloo and DeepSpeed that still run then abort the process now and then ("terminate
    called without an active exception"), after its work is done, and torchrun would end the other
    ranks in the middle of their export.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    exit_code = main(sys.argv[1:])
    if "torch" in sys.modules and sys.argv[1] not in LAUNCHERS:
        leave(exit_code)
    sys.exit(exit_code)
