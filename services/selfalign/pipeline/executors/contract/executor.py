"""The contract of an executor."""

from typing import Any, Protocol

from selfalign.events import EventSink
from selfalign.inference.client.engine_settings import EngineSettings
from selfalign.pipeline.units.assignment import WorkerGroup
from selfalign.roles import ModelRole, ServiceName
from selfalign.weights.source import Weights


class Executor(Protocol):
    """Starts and stops what a run needs. All methods block.

    Whatever happens to the runner, an executor leaves no process behind that nobody looks after.
    """

    @property
    def side_by_side(self) -> bool:
        """Whether engines of several roles can be served at once."""
        ...

    def check_training(self, settings: dict[str, Any]) -> None:
        """Refuses wrong settings of the training job before any work starts.

        Raises:
            ConfigError: with the training job's own message.
        """
        ...

    def serve(self, role: ModelRole, weights: Weights) -> EngineSettings:
        """Makes the engine of `role` answer with `weights`; returns how to reach it.

        Raises:
            ModelError: the weights cannot be loaded.
            EngineUnavailable: it did not become ready in time; the message quotes its log.
        """
        ...

    def release(self, role: ModelRole) -> None:
        """Frees what `role` holds; a role that is not served is no error."""
        ...

    def service(self, name: ServiceName, engine: EngineSettings) -> str:
        """Makes a gRPC service answer with `engine` behind it; returns its target address."""
        ...

    def run_workers(self, group: WorkerGroup, target: str, sink: EventSink) -> None:
        """Runs the workers of a group and waits for them.

        Args:
            target: Where the stage's service answers, as `service` returned it.
            sink: Hears the workers' events, each with its worker's number.

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

    def finish(self) -> None:
        """The run is done: puts back what it changed outside of itself."""
        ...

    def close(self) -> None:
        """Stops everything."""
        ...
