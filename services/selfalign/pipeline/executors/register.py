"""The executors: where the work of a run can be done."""

from collections.abc import Callable

from selfalign.events import EventSink
from selfalign.pipeline.executors.contract.executor import Executor
from selfalign.pipeline.run.config import ExecutorKind
from selfalign.pipeline.run.run import Run


def _local(run: Run, report: EventSink) -> Executor:
    from selfalign.pipeline.executors.local.executor import LocalExecutor

    return LocalExecutor(run)


def _kubernetes(run: Run, report: EventSink) -> Executor:
    # Imported here: the client of Kubernetes takes most of a second.
    from selfalign.pipeline.executors.kubernetes.executor import KubernetesExecutor

    return KubernetesExecutor(run, report)


EXECUTORS: dict[ExecutorKind, Callable[[Run, EventSink], Executor]] = {
    "local": _local,
    "kubernetes": _kubernetes,
}


def make_executor(run: Run, report: EventSink, kind: ExecutorKind | None = None) -> Executor:
    """The executor that the run's settings ask for, or one of another kind.

    Args:
        report: Hears what the executor has to say beside the events of the processes.

    Raises:
        ConfigError: it cannot do the run; the message says what to set.
    """
    return EXECUTORS[kind or run.config.executor.kind](run, report)
