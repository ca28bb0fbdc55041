"""A model of the run, served when something is asked of it that the store does not hold yet."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TypeVar

from selfalign.errors import DataError, ObjectExists, ObjectMissing
from selfalign.evaluation.concurrency import Progress
from selfalign.evaluation.results import Record
from selfalign.events import Step
from selfalign.inference.client.build import build_engine
from selfalign.inference.client.engine_settings import EngineSettings
from selfalign.inference.contract.engine import Engine
from selfalign.pipeline.stages.kinds.stage import StageWork
from selfalign.pipeline.stages.models import model_weights
from selfalign.roles import ModelRole
from selfalign.telemetry.metrics import Metrics

R = TypeVar("R", bound=Record)
Ask = Callable[[Engine, Progress], Awaitable[R]]


class ServedModel(AbstractContextManager["ServedModel"]):
    """Asks one model in parts; each part is stored by itself, so that a stopped run keeps it."""

    def __init__(self, work: StageWork, prefix: str, role: ModelRole) -> None:
        self._work = work
        self._prefix = prefix
        self._role: ModelRole = role
        self._settings: EngineSettings | None = None

    def part(self, name: str, kind: type[R], ask: Ask[R]) -> R:
        """What the model was asked, from the store if it is there.

        Raises:
            DataError: what is stored cannot be read.
            ModelError, EngineUnavailable: the model cannot be served; see Executor.serve.
        """
        store, key = self._work.run.store, f"{self._prefix}/{name}"
        try:
            return self._read(key, kind)
        except ObjectMissing:
            pass
        results = asyncio.run(self._asked(self._serve(), ask))
        try:
            store.create(key, results.model_dump_json().encode())
        except ObjectExists:
            return self._read(key, kind)
        return results

    def _read(self, key: str, kind: type[R]) -> R:
        store = self._work.run.store
        data = store.get(key)
        try:
            return kind.model_validate_json(data)
        except ValueError as error:
            raise DataError(
                f"{store.url}/{key}: not results of this version; delete it to ask the model "
                f"again: {error}"
            ) from error

    def _serve(self) -> EngineSettings:
        if self._settings is None:
            weights = model_weights(self._work.stages, self._work.run, self._role)
            self._settings = self._work.executor.serve(self._role, weights)
        return self._settings

    async def _asked(self, settings: EngineSettings, ask: Ask[R]) -> R:
        def progress(phase: str, done: int, total: int) -> None:
            self._work.report(Step(phase=phase, step=done, steps=total))

        engine = build_engine(settings, Metrics())
        try:
            return await ask(engine, progress)
        finally:
            await engine.close()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # After an error the executor closes as a whole, and the error is what the user must see.
        if self._settings is not None and error is None:
            self._work.executor.release(self._role)
