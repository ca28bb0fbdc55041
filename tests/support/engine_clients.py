"""Our engine clients, connected to an engine double or another server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from selfalign.inference.client.build import build_engine
from selfalign.inference.client.engine_settings import EngineSettings
from selfalign.inference.contract.engine import Engine
from selfalign.telemetry.metrics import Metrics
from support.engine_double import EngineDouble, serving

FAST: dict[str, Any] = {"retry_base_s": 0.01, "retry_max_s": 0.02, "retry_attempts": 2}


def engine_settings(kind: str, url: str, model: str, **settings: Any) -> EngineSettings:
    """Quick retries; `model` is of kind openai."""
    named = {"model": model} if kind == "openai" else {}
    return EngineSettings(**{"kind": kind, "url": url, **named, **FAST, **settings})


@asynccontextmanager
async def connected(
    kind: str, url: str, model: str, metrics: Metrics | None = None, **settings: Any
) -> AsyncIterator[Engine]:
    engine = build_engine(engine_settings(kind, url, model, **settings), metrics or Metrics())
    try:
        yield engine
    finally:
        await engine.close()


@asynccontextmanager
async def client(
    kind: str, double: EngineDouble, metrics: Metrics | None = None, **settings: Any
) -> AsyncIterator[Engine]:
    async with (
        serving(double) as url,
        connected(kind, url, "double", metrics, **settings) as engine,
    ):
        yield engine
