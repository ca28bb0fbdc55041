"""Every error that selfalign raises on purpose, with its gRPC status and exit code.

SelfAlignError                  UNKNOWN             70
├── ConfigError                 INVALID_ARGUMENT    64   do not retry: the configuration is wrong
├── DataError                   INVALID_ARGUMENT    65   an input file or row is wrong
├── PromptTooLong               INVALID_ARGUMENT    65   does not fit the context of the engine
├── ModelError                  FAILED_PRECONDITION 66   a model is missing or unreadable
├── RendezvousFailed            UNAVAILABLE         68   the nodes of a training job did not meet
├── PortInUse                   UNAVAILABLE         71
├── StoreError                  UNAVAILABLE         74   the object store failed
│   ├── StoreNotWritable        PERMISSION_DENIED   73
│   ├── ObjectExists            ALREADY_EXISTS      73   a create-only put lost the race
│   └── ObjectMissing           NOT_FOUND           74
├── FingerprintMismatch         FAILED_PRECONDITION 78   the run was made with other settings
├── VerificationError           DATA_LOSS           76   the ledger does not add up
├── StageError                  INTERNAL            70   a worker, service or trainer failed
├── TooManyFailures             ABORTED             75   rows failed; the next run tries them again
├── Interrupted                 CANCELLED          130   ctrl-C; the next run goes on
└── EngineError                 INTERNAL            69   the inference engine failed
    ├── EngineUnavailable       UNAVAILABLE         69   down or unreachable; retried
    │   └── EngineLost          UNAVAILABLE         69   the work stops, and no row is blamed
    │       ├── EngineOutage    UNAVAILABLE         69   gone for longer than it is waited for
    │       └── EngineExchanged UNAVAILABLE         69   another model than before
    ├── EngineOverloaded        RESOURCE_EXHAUSTED  69   full (429); waited for
    ├── EngineTimeout           DEADLINE_EXCEEDED   69   no answer inside the deadline
    ├── EngineRejected          INVALID_ARGUMENT    65   422: the request's own fault; not retried
    │   └── RouteMissing        INVALID_ARGUMENT    65   404: another server than its kind says
    ├── LogprobsUnsupported     FAILED_PRECONDITION 64   none of a prompt's tokens; not retried
    └── EngineUnauthorized      FAILED_PRECONDITION 64   401: our token is wrong; not retried

Exit codes follow sysexits.h. 2 is a command line that could not be parsed. EXIT_CODES says what
each means to the caller of a process, error_for_exit_code what it means to the process that started
it, FINAL_EXIT_CODES which of them no retry can mend.
"""

from typing import ClassVar

DONE = 0
USAGE = 2
"""As argparse, click and typer end."""


class SelfAlignError(Exception):
    """Base of all expected errors: the message is meant for a person."""

    grpc_status: ClassVar[str] = "UNKNOWN"
    exit_code: ClassVar[int] = 70
    retry_helps: ClassVar[bool] = True
    """Whether the same work may succeed when it is tried again with the same input."""


class ConfigError(SelfAlignError):
    """A setting is wrong; the message names the field, the value and what is expected."""

    grpc_status = "INVALID_ARGUMENT"
    exit_code = 64
    retry_helps = False


class DataError(SelfAlignError):
    """An input file or row is wrong; the message names the place."""

    grpc_status = "INVALID_ARGUMENT"
    exit_code = 65
    retry_helps = False


class PromptTooLong(SelfAlignError):
    """A prompt and its completion do not fit the engine's context."""

    grpc_status = "INVALID_ARGUMENT"
    exit_code = 65
    retry_helps = False


class ModelError(SelfAlignError):
    """A model folder is missing, incomplete or of an unsupported kind."""

    grpc_status = "FAILED_PRECONDITION"
    exit_code = 66
    retry_helps = False


class RendezvousFailed(SelfAlignError):
    """The nodes of a training job did not find each other in time; trying again may help."""

    grpc_status = "UNAVAILABLE"
    exit_code = 68


class PortInUse(SelfAlignError):
    """A server's port is taken by another process."""

    grpc_status = "UNAVAILABLE"
    exit_code = 71


class StoreError(SelfAlignError):
    """The object store failed or cannot be reached."""

    grpc_status = "UNAVAILABLE"
    exit_code = 74


class StoreNotWritable(StoreError):
    """The object store refuses writes."""

    grpc_status = "PERMISSION_DENIED"
    exit_code = 73


class ObjectExists(StoreError):
    """A create-only put found the object there already."""

    grpc_status = "ALREADY_EXISTS"
    exit_code = 73


class ObjectMissing(StoreError):
    """The object is not there."""

    grpc_status = "NOT_FOUND"


class FingerprintMismatch(SelfAlignError):
    """A stage was made with other settings than the run now asks for."""

    grpc_status = "FAILED_PRECONDITION"
    exit_code = 78
    retry_helps = False


class VerificationError(SelfAlignError):
    """The ledger does not add up: a row is lost, doubled or altered."""

    grpc_status = "DATA_LOSS"
    exit_code = 76
    retry_helps = False


class StageError(SelfAlignError):
    """A worker, service or training process of a stage failed."""

    grpc_status = "INTERNAL"


class TooManyFailures(SelfAlignError):
    """More rows of a stage failed than the run tolerates."""

    grpc_status = "ABORTED"
    exit_code = 75


class Interrupted(SelfAlignError):
    """The user asked to stop."""

    grpc_status = "CANCELLED"
    exit_code = 130


class EngineError(SelfAlignError):
    """The inference engine failed on a request that was well formed."""

    grpc_status = "INTERNAL"
    exit_code = 69


class EngineUnavailable(EngineError):
    """The engine is down or cannot be reached."""

    grpc_status = "UNAVAILABLE"


class EngineLost(EngineUnavailable):
    """The engine that the work began with is not there any more: the work stops here, and no row
    is blamed."""


class EngineOutage(EngineLost):
    """An engine that had answered has been gone for longer than a run waits for it."""


class EngineExchanged(EngineLost):
    """The engine serves another model than it did before."""


class EngineOverloaded(EngineError):
    """The engine has no room for the request now."""

    grpc_status = "RESOURCE_EXHAUSTED"


class EngineTimeout(EngineError):
    """The engine did not answer inside the deadline."""

    grpc_status = "DEADLINE_EXCEEDED"


class EngineRejected(EngineError):
    """The engine refuses the request itself (TGI's 422)."""

    grpc_status = "INVALID_ARGUMENT"
    exit_code = 65
    retry_helps = False


class RouteMissing(EngineRejected):
    """The engine's server has no such route (404, 405)."""


class LogprobsUnsupported(EngineError):
    """The engine gives no log-probabilities of a prompt's tokens."""

    grpc_status = "FAILED_PRECONDITION"
    exit_code = 64
    retry_helps = False


class EngineUnauthorized(EngineError):
    """The engine refuses our credentials."""

    grpc_status = "FAILED_PRECONDITION"
    exit_code = 64
    retry_helps = False


EXIT_CODES: dict[int, str] = {
    DONE: "done",
    USAGE: "command line",
    ConfigError.exit_code: "configuration",
    DataError.exit_code: "data",
    ModelError.exit_code: "model",
    RendezvousFailed.exit_code: "training nodes did not meet",
    EngineError.exit_code: "engine",
    StageError.exit_code: "stage",
    PortInUse.exit_code: "port in use",
    StoreNotWritable.exit_code: "store refuses",
    StoreError.exit_code: "store",
    TooManyFailures.exit_code: "failed rows (run again)",
    VerificationError.exit_code: "ledger",
    FingerprintMismatch.exit_code: "made with other settings",
    Interrupted.exit_code: "stopped",
}
"""What each exit code means, in a few words, in ascending order."""

# What a worker, service or training job knows of its own fault.
_KNOWN_BY_EXIT_CODE: dict[int, type[SelfAlignError]] = {
    USAGE: ConfigError,
    **{
        kind.exit_code: kind
        for kind in (
            ConfigError,
            DataError,
            ModelError,
            EngineUnavailable,
            PortInUse,
            StoreNotWritable,
            StoreError,
            TooManyFailures,
            FingerprintMismatch,
        )
    },
}


def error_for_exit_code(code: int) -> type[SelfAlignError]:
    """The error that the exit code of a worker, service or training job stands for.

    Codes that say nothing of the cause (signals, defects) are a StageError.
    """
    return _KNOWN_BY_EXIT_CODE.get(code, StageError)


def retry_may_help(name: str) -> bool:
    """Whether work that ended with the error of this name may succeed when it is tried again."""
    found = _named(SelfAlignError, name)
    return found is None or found.retry_helps


def _named(kind: type[SelfAlignError], name: str) -> type[SelfAlignError] | None:
    if kind.__name__ == name:
        return kind
    found = (_named(child, name) for child in kind.__subclasses__())
    return next((one for one in found if one), None)


def _final_exit_codes(kind: type[SelfAlignError]) -> set[int]:
    own = set() if kind.retry_helps else {kind.exit_code}
    return own.union(*(_final_exit_codes(child) for child in kind.__subclasses__()))


FINAL_EXIT_CODES: tuple[int, ...] = (USAGE, *sorted(_final_exit_codes(SelfAlignError)))
"""Exit codes of processes that are not worth starting again with the same input."""
