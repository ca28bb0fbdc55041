"""What the exit codes of the training job mean, and what a node makes of its ranks' codes.

0           done                                                     nothing to do
2           the command line could not be parsed                     do not retry
64          configuration or environment is wrong                    do not retry
65          the data, or a checkpoint, is wrong                      do not retry
66          the base model is missing or unreadable                  do not retry
68          the nodes did not find each other in time                retry
70          a fault: a lost peer, a defect, a loss that is no number retry
71          a port is taken                                          retry
73, 74      the store refuses or fails                               retry
128 + n     a rank was ended by signal n (137: killed, 134: NCCL)    retry
143         SIGTERM, after a checkpoint where there was time for one retry: training goes on

Codes below 128 but 2 are those of selfalign.errors. Kubernetes' Job fails at once on NOT_RETRYABLE.
"""

from collections.abc import Iterable

from selfalign.errors import ConfigError, DataError, ModelError, SelfAlignError

DONE = 0
USAGE = 2
UNEXPECTED = SelfAlignError.exit_code
SIGNALLED = 128
TERMINATED = SIGNALLED + 15
NOT_RETRYABLE = (USAGE, ConfigError.exit_code, DataError.exit_code, ModelError.exit_code)


def failure_code(codes: Iterable[int]) -> int:
    """The exit code that says most of why a node failed; a negative one is a signal.

    When a rank dies the others fail of the lost connection in the same moment: what they say of it
    counts less than a rank that knows its fault, and than the signal.

    Args:
        codes: Of the node's ranks that failed, as subprocess gives them.
    """
    failed = list(codes)
    final = [code for code in failed if code in NOT_RETRYABLE]
    known = [code for code in failed if code > 0 and code != UNEXPECTED]
    signals = [SIGNALLED - code for code in failed if code < 0]
    return [*final, *known, *signals, UNEXPECTED][0]


def peer_lost(error: BaseException) -> bool:
    """Whether an error only says that another rank has gone, or did not answer in time.

    torch raises plain RuntimeErrors for gloo; a library that takes them for faults of its input
    would turn a fault that a retry mends into one that it does not.
    """
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(word in text for word in ("gloo", "nccl"))
