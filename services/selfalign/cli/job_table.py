"""What `selfalign status --kubernetes` shows: a run's Jobs and pods in a cluster."""

import json
import sys
from dataclasses import asdict

from rich.console import Console
from rich.table import Table


def show_jobs(run: str, namespace: str | None, context: str | None, *, as_json: bool) -> None:
    """Prints the run's Jobs; needs no rights on the store.

    Raises:
        ConfigError: no cluster to talk to, or no rights in it.
    """
    # Imported here: the client of Kubernetes takes most of a second.
    from selfalign.pipeline.executors.kubernetes.cluster import connect
    from selfalign.pipeline.executors.kubernetes.status import run_status

    cluster = connect(namespace, context)
    found = run_status(cluster, run)
    if as_json:
        print(json.dumps([asdict(status) for status in found]))
        return
    table = Table(title=f"run {run} in namespace {cluster.namespace}")
    for column in ("stage", "job", "state", "pods", "since", "what keeps it"):
        table.add_column(column)
    for status in found:
        counts = f"{status.active} active, {status.succeeded} of {status.wanted} done"
        if status.failed:
            counts += f", {status.failed} failed"
        pods = "\n".join((counts, *status.pods))
        troubles = "\n".join(status.troubles)
        stage = status.stage or "runner"
        table.add_row(stage, status.name, status.state, pods, status.since, troubles)
    console = Console(markup=False, width=None if sys.stdout.isatty() else 200)
    console.print(table if found else f"no Jobs of run {run} in namespace {cluster.namespace}")
