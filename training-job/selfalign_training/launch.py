"""torchrun in this process, with the exit code of the rank that knows why it failed.

torchrun itself ends with 1 whatever its ranks say; Kubernetes and the pipeline need to tell a
wrong configuration (do not retry) from a fault (retry).
"""

import os

from selfalign_training.ranks import cores, prepare_environment

MODULE = "selfalign_training"
SIGNALLED = 128
UNEXPECTED = 70


def launch(options: list[str]) -> int:
    """Runs `torchrun OPTIONS... -m selfalign_training CONFIG`, CONFIG being the last option."""
    *flags, config = options
    prepare_environment()
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores() // _ranks_here(flags))))

    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main as torchrun

    try:
        torchrun([*flags, "-m", MODULE, config])
    except ChildFailedError as error:
        return telling_code([failure.exitcode for failure in error.failures.values()])
    except SignalException as stop:
        return SIGNALLED + int(stop.sigval)
    return 0


def telling_code(codes: list[int]) -> int:
    """The exit code that says most of why a job failed; a negative one is a signal.

    When a rank is killed the others fail of the lost connection in the same moment: what they say
    of it counts less than a rank that knows its fault, and than the signal.
    """
    known = [code for code in codes if code > 0 and code != UNEXPECTED]
    signals = [SIGNALLED - code for code in codes if code < 0]
    return [*known, *signals, UNEXPECTED][0]


def _ranks_here(flags: list[str]) -> int:
    """--nproc-per-node, in either spelling; 1 where it is not a number."""
    for position, flag in enumerate(flags):
        name, _, value = flag.partition("=")
        if name.replace("_", "-") == "--nproc-per-node":
            value = value or (flags[position + 1] if position + 1 < len(flags) else "")
            return max(1, int(value)) if value.isdecimal() else 1
    return 1
