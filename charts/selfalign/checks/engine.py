"""`helm test`: the base engine tells its model and limits, through the services' own client, and
streams a few tokens to the client library of its API."""

import asyncio
import sys
from pathlib import Path

from selfalign.inference.client.build import build_engine
from selfalign.inference.client.engine_settings import EngineSettings
from selfalign.inference.streams.text import stream_text
from selfalign.pipeline.run.run_file import load_run_config
from selfalign.settings.sampling import SamplingParams
from selfalign.telemetry.metrics import Metrics


async def main() -> None:
    """Arguments: the run file and the engine's address."""
    run_file, url = sys.argv[1:]
    settings = load_run_config(Path(run_file)).engine
    settings = EngineSettings(**{**settings.model_dump(), "url": url})
    engine = build_engine(settings, Metrics())
    params = SamplingParams(max_new_tokens=8)
    try:
        print(await engine.info())
        async for piece in stream_text(
            settings, engine, "The capital of France is", params, seed=None, deadline_s=120.0
        ):
            print(piece, flush=True)
    finally:
        await engine.close()


asyncio.run(main())
