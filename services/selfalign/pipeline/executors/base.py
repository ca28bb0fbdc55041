"""The contract of an executor."""

from collections.abc import Callable
from typing import Any, Literal, Protocol

from selfalign.errors import (
    ConfigError,
    DataError,
    EngineUnavailable,
    FingerprintMismatch,
    ModelError,
    PortInUse,
    SelfAlignError,
    StoreError,
    StoreNotWritable,
    TooManyFailures,
)
from selfalign.inference.engine_settings import EngineSettings
from selfalign.pipeline.worker import Assignment

EngineRole = Literal["base", "engraved", "final"]
ServiceName = Literal["prompt-synthesizer", "principle-engine", "refiner"]
EventSink = Callable[[dict[str, Any]], None]

# What the exit code of a worker, service or trainer means to the runner: the type is kept, the
# message quotes the log. Other codes are a StageError.
ERRORS_BY_EXIT_CODE: dict[int, type[SelfAlignError]] = {
    error.exit_code: error
    for error in (
        ConfigError,
        DataError,
        ModelError,
        PortInUse,
        StoreNotWritable,
        StoreError,
        TooManyFailures,
        FingerprintMismatch,
        EngineUnavailable,
    )
}


class Executor(Protocol):
    """Starts and stops what a run needs. All methods block.

    Whatever happens to the runner, an executor leaves no process behind that nobody looks after.
    """

    def check_training(self, settings: dict[str, Any]) -> None:
        """Refuses wrong settings of the training job before any work starts.

        Raises:
            ConfigError: with the training job's own message.
        """
        ...

    def serve(self, role: EngineRole, weights: str) -> EngineSettings:
        """Makes the engine of `role` answer with `weights`; returns how to reach it.

        Args:
            weights: A folder or model id for `base`; `<store prefix>/merged` for tuned ones.

        Raises:
            ModelError: the weights cannot be loaded.
            EngineUnavailable: it did not become ready in time; the message quotes its log.
        """
        ...

    def release(self, role: EngineRole) -> None:
        """Frees what `role` holds; a role that is not served is no error."""
        ...

    def service(self, name: ServiceName, engine: EngineSettings) -> str:
        """Makes a gRPC service answer with `engine` behind it; returns its target address."""
        ...

    def run_workers(self, assignments: list[Assignment], target: str, sink: EventSink) -> None:
        """Runs one worker for each assignment and waits for them.

        Raises:
            TooManyFailures, StageError: a worker ended so; the message quotes its log.
        """
        ...

    def train(self, stage: str, settings: dict[str, Any], sink: EventSink) -> None:
        """Runs the training job to its end.

        Raises:
            ConfigError, DataError, ModelError, StageError: as the job's exit code says.
        """
        ...

    def close(self) -> None:
        """Stops everything."""
        ...
