"""torchrun in this process, with the exit code of the rank that knows why it failed.

torchrun itself ends with 1 whatever its ranks say; Kubernetes and the pipeline need to tell a
wrong configuration (do not retry) from a fault (retry).
"""

import os
from collections.abc import Sequence
from pathlib import Path

from selfalign_training.exit_codes import DONE, SIGNALLED, telling_code
from selfalign_training.ranks import cores, prepare_environment

MODULE = "selfalign_training"


def launch(options: list[str]) -> int:
    """Runs `torchrun OPTIONS... -m selfalign_training CONFIG`, CONFIG being the last option."""
    *flags, config = options
    prepare_environment()
    share_cores(_ranks_here(flags))
    return run_torchrun(flags, Path(config))


def run_torchrun(flags: Sequence[str], config: Path) -> int:
    """Runs this node's ranks to their end; returns the exit code, see exit_codes."""
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main as torchrun

    try:
        torchrun([*flags, "-m", MODULE, str(config)])
    except ChildFailedError as error:
        return telling_code(failure.exitcode for failure in error.failures.values())
    except SignalException as stop:
        return SIGNALLED + int(stop.sigval)
    return DONE


def share_cores(ranks: int) -> None:
    """Divides the CPU cores among this node's ranks, unless OMP_NUM_THREADS is set."""
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores() // ranks)))


def _ranks_here(flags: list[str]) -> int:
    """--nproc-per-node, in either spelling; 1 where it is not a number."""
    for position, flag in enumerate(flags):
        name, _, value = flag.partition("=")
        if name.replace("_", "-") == "--nproc-per-node":
            value = value or (flags[position + 1] if position + 1 < len(flags) else "")
            return max(1, int(value)) if value.isdecimal() else 1
    return 1
