"""`helm test`: the base engine tells its model and limits, through the services' own client."""

import asyncio
import sys
from pathlib import Path

from selfalign.inference.build import build_engine
from selfalign.inference.engine_settings import EngineSettings
from selfalign.pipeline.load import load_run_config
from selfalign.telemetry.metrics import Metrics


async def main() -> None:
    """Arguments: the run file and the engine's address."""
    run_file, url = sys.argv[1:]
    settings = load_run_config(Path(run_file)).engine
    engine = build_engine(EngineSettings(**{**settings.model_dump(), "url": url}), Metrics())
    try:
        print(await engine.info())
    finally:
        await engine.close()


asyncio.run(main())
