"""torchrun in this process, with the exit code of the rank that knows why it failed.

torchrun itself ends with 1 whatever its ranks say; Kubernetes and the pipeline need to tell a
wrong configuration (do not retry) from a fault (retry).
"""

from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

from selfalign_training.launch.environment import prepare_environment, share_cores
from selfalign_training.launch.exit_codes import DONE, SIGNALLED, failure_code

MODULE = "selfalign_training"


def launch(options: Sequence[str], config: Path) -> int:
    """The command `launch`: torchrun with these options of its own, on this machine."""
    prepare_environment()
    share_cores(_ranks_here(options))
    return run_torchrun(options, config)


def run_torchrun(options: Sequence[str], config: Path) -> int:
    """Runs this node's ranks to their end; returns the exit code, see exit_codes."""
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main as torchrun

    try:
        torchrun([*options, "-m", MODULE, str(config)])
    except ChildFailedError as error:
        return failure_code(failure.exitcode for failure in error.failures.values())
    except SignalException as stop:
        return SIGNALLED + int(stop.sigval)
    return DONE


def _ranks_here(options: Sequence[str]) -> int:
    """--nproc-per-node, in either spelling; 1 where it is not a number."""
    parser = ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--nproc-per-node", "--nproc_per_node", nargs="?", const="1", default="1")
    value: str = parser.parse_known_args(list(options))[0].nproc_per_node
    return max(1, int(value)) if value.isdecimal() else 1
