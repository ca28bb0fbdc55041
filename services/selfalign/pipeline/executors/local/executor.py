"""The local executor: engines, services, workers and training as subprocesses on free ports."""

import asyncio
import sys
import threading
import time
from pathlib import Path
from typing import Any

import yaml

from selfalign.errors import EngineUnavailable, error_for_exit_code
from selfalign.events import Event, EventSink, Ready, from_worker
from selfalign.inference.client.build import build_engine
from selfalign.inference.client.engine_settings import EngineSettings
from selfalign.model_server.server_options import ModelServerSettings
from selfalign.options import arguments_of
from selfalign.pipeline.executors.contract.training_check import run_training_check
from selfalign.pipeline.executors.local.processes import Child
from selfalign.pipeline.executors.local.revival import Revival
from selfalign.pipeline.run.run import Run, dump_config
from selfalign.pipeline.units.assignment import WorkerGroup
from selfalign.roles import ModelRole, ServiceName
from selfalign.telemetry.metrics import Metrics
from selfalign.weights.local import local_weights
from selfalign.weights.source import Weights

POLL_S = 0.1
SPIN = 10_000
"""Of the engine's threads: the runner's other processes wait for it, and leave it the cores."""


class LocalExecutor:
    """See Executor for the contract."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._settings = run.config.executor
        self._folder = self._settings.work_dir.absolute() / run.name
        self._folder.mkdir(parents=True, exist_ok=True)
        self._config = self._folder / "run.yaml"
        self._config.write_text(dump_config(run.config), encoding="utf-8")
        self._children: dict[str, Child] = {}
        self._engines: dict[ModelRole, EngineSettings] = {}
        self._targets: dict[tuple[str, str], str] = {}
        self._addresses: dict[str, str] = {}
        """host:port of every server that runs, by its child's name."""

    @property
    def side_by_side(self) -> bool:
        return True

    def check_training(self, settings: dict[str, Any]) -> None:
        wired = settings | self._base_model()
        run_training_check(wired, self._settings.training_processes, self._folder)

    def serve(self, role: ModelRole, weights: Weights) -> EngineSettings:
        if role in self._engines:
            return self._engines[role]
        base = self._run.config.engine
        if role == "base" and base.url:
            asyncio.run(_reach(base))
            return self._engines.setdefault(role, base)
        folder = local_weights(weights, self._folder / "weights")
        # A name: rows and cards would have the folder of this machine instead.
        name = Path(folder).name if role == "base" else f"{self._run.name}/{role}"
        options = self._settings.model_server.model_dump(exclude_unset=True)
        chosen = {"port": 0, "model_id": name, "spin": SPIN, **options}
        arguments = arguments_of(ModelServerSettings(model=folder, **chosen))
        command = ["-m", "selfalign.model_server", *arguments]
        address = self._start_server(f"engine-{role}", command)
        engine = EngineSettings(
            **{**base.model_dump(), "kind": "tgi", "url": f"http://{address}", "token_env": None}
        )
        return self._engines.setdefault(role, engine)

    def release(self, role: ModelRole) -> None:
        engine = self._engines.pop(role, None)
        for (name, url), _ in list(self._targets.items()):
            if engine is not None and url == engine.url:
                del self._targets[name, url]
                self._stop(name)
        self._stop(f"engine-{role}")

    def service(self, name: ServiceName, engine: EngineSettings) -> str:
        key = (name, engine.url or "")
        if key not in self._targets:
            command = ["-m", "selfalign.cli", "serve", name, "--config", str(self._config)]
            command += ["--engine-url", engine.url or "", "--host", "127.0.0.1", "--port", "0"]
            self._targets[key] = self._start_server(name, command)
        return self._targets[key]

    def run_workers(self, group: WorkerGroup, target: str, sink: EventSink) -> None:
        children = []
        for assignment in group.assignments():
            name = f"worker-{assignment.stage}-{assignment.index}"
            command = ["-m", "selfalign.cli", "worker", "--config", str(self._config)]
            command += ["--target", target, *arguments_of(assignment)]
            children.append(self._child(name, command, from_worker(sink, assignment.index)))
        self._wait_all(children, Revival(sink))

    def train(self, stage: str, settings: dict[str, Any], sink: EventSink) -> None:
        wiring = self._base_model() | {"work_dir": str(self._folder / f"{stage}-checkpoints")}
        path = self._write_training(stage, settings | wiring)
        ranks = self._settings.training_processes
        command = ["-m", "selfalign_training", "launch", "--standalone"]
        command += [f"--nproc-per-node={ranks}", str(path)]
        self._wait_all([self._child(f"train-{stage}", command, sink)])

    def finish(self) -> None:
        """Nothing outside of the run was changed."""

    def close(self) -> None:
        # Clients before servers: a worker that loses its service would log errors for nothing.
        for name in reversed(list(self._children)):
            self._stop(name)

    def _start_server(self, name: str, command: list[str]) -> str:
        """Starts a server and waits until it says that it is ready; returns its host:port."""
        ready = threading.Event()
        address: list[str] = []

        def on_event(event: Event) -> None:
            if isinstance(event, Ready):
                address.append(event.address)
                ready.set()

        child = self._child(name, command, on_event)
        deadline = time.monotonic() + self._settings.startup_timeout_s
        while not ready.wait(POLL_S):
            code = child.poll()
            if code is not None:
                self._raise_for(child, code or 1)
            if time.monotonic() > deadline:
                raise EngineUnavailable(
                    f"{name} was not ready after {self._settings.startup_timeout_s:.0f} s "
                    f"(executor.startup_timeout_s); log {child.log}:\n{child.log_tail()}"
                )
        self._addresses[name] = address[0]
        return address[0]

    def _wait_all(self, children: list[Child], revival: Revival | None = None) -> None:
        """Waits for all; the first that fails ends the others.

        Args:
            revival: Starts again what was killed, of the children and of the servers that they
                use. Without it a killed child is a failure.
        """
        waiting = list(children)
        while waiting:
            if revival:
                self._revive_servers(revival)
            for child in list(waiting):
                if child.poll() is None:
                    continue
                waiting.remove(child)
                code = child.wait()
                self._children.pop(child.name, None)
                if revival and revival.helps(child, code):
                    waiting.append(self._start(revival.again(child, code)))
                elif code:
                    for other in waiting:
                        other.stop()
                    self._raise_for(child, code)
            time.sleep(POLL_S)

    def _revive_servers(self, revival: Revival) -> None:
        """Starts killed servers again, at the addresses that their clients know."""
        for name, address in self._addresses.items():
            child = self._children.get(name)
            code = child.poll() if child else None
            if child is None or code is None:
                continue
            if not revival.helps(child, code):
                self._raise_for(child, code or 1)
            self._start(revival.again(child, code, port=address.rpartition(":")[2]))

    def _child(
        self,
        name: str,
        command: list[str],
        on_event: EventSink = lambda event: None,
    ) -> Child:
        log = self._folder / "logs" / f"{name}.log"
        return self._start(Child(name, [sys.executable, *command], log, on_event))

    def _start(self, child: Child) -> Child:
        child.start()
        self._children[child.name] = child
        return child

    def _stop(self, name: str) -> None:
        child = self._children.pop(name, None)
        self._addresses.pop(name, None)
        if child is not None:
            child.stop()

    def _raise_for(self, child: Child, code: int) -> None:
        self._children.pop(child.name, None)
        if code == 0:
            return
        kind = error_for_exit_code(code)
        cause = f"ended by signal {-code}" if code < 0 else f"exit code {code}"
        raise kind(f"{child.name}: {cause}; log {child.log}:\n{child.log_tail()}")

    def _base_model(self) -> dict[str, str]:
        """The base model as the training job can load it."""
        base = self._run.config.model.weights
        return {"base_model": local_weights(base, self._folder / "weights")}

    def _write_training(self, stage: str, settings: dict[str, Any]) -> Path:
        path = self._folder / f"training-{stage}.yaml"
        path.write_text(yaml.safe_dump(settings, sort_keys=False, allow_unicode=True))
        return path


async def _reach(settings: EngineSettings) -> None:
    """Asks an engine of the user's for its limits, so that one that is down is reported at once."""
    engine = build_engine(settings, Metrics())
    try:
        await engine.info()
    finally:
        await engine.close()
