"""Our engine clients, connected to an engine double."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from selfalign.inference.build import build_engine
from selfalign.inference.engine import Engine
from selfalign.inference.engine_settings import EngineSettings
from selfalign.telemetry.metrics import Metrics
from support.engine_double import EngineDouble, serving

FAST: dict[str, Any] = {"retry_base_s": 0.01, "retry_max_s": 0.02, "retry_attempts": 2}


@asynccontextmanager
async def client(
    kind: str, double: EngineDouble, metrics: Metrics | None = None, **settings: Any
) -> AsyncIterator[Engine]:
    async with serving(double) as url:
        engine = build_engine(
            EngineSettings(
                **{
                    "kind": kind,
                    "url": url,
                    "model": "double" if kind == "openai" else None,
                    **FAST,
                    **settings,
                }
            ),
            metrics or Metrics(),
        )
        try:
            yield engine
        finally:
            await engine.close()
