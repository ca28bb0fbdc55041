"""A completion as it is written: for people to watch, not for the rows of a run."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

from selfalign.errors import EngineError, EngineTimeout
from selfalign.inference.client.engine_settings import EngineSettings
from selfalign.inference.contract.engine import Engine
from selfalign.inference.streams.stops import StopCutter
from selfalign.settings.sampling import SamplingParams

logger = logging.getLogger(__name__)


async def stream_text(
    settings: EngineSettings,
    engine: Engine,
    prompt: str,
    params: SamplingParams,
    *,
    seed: int | None,
    deadline_s: float,
) -> AsyncGenerator[str, None]:
    """Pieces of a completion of `prompt`; joined, they are the text that `engine` would give.

    The stream goes through the client that the makers of the engine's API ship, which knows
    nothing of admission, retries and our TLS settings. Where it has nothing to show (HF_HUB_OFFLINE
    is set, a proxy or a private CA is in the way, the engine is full, its kind has no such client),
    `engine` is asked for the whole text instead, which is then the only piece. Close the generator
    (contextlib.aclosing) when it is not read to its end: that ends the engine's work.

    Args:
        settings: Those of `engine`.
        engine: What `build_engine` makes of `settings`.
        deadline_s: Seconds for the whole stream, and once more where `engine` is asked.

    Raises:
        EngineTimeout: `deadline_s` passed.
        EngineError: the stream broke off, or what Engine.generate raises.
    """
    shown = False
    pieces = _client_pieces(settings, prompt, params, seed)
    if pieces is not None:
        try:
            async with aclosing(_cut(pieces, params, deadline_s)) as cut:
                async for piece in cut:
                    shown = True
                    yield piece
            return
        except EngineTimeout:
            raise
        except EngineError as error:
            if shown:
                raise
            logger.info("the answer comes in one piece: %s", error)
    completion = await engine.generate(prompt, params, seed=seed, deadline_s=deadline_s)
    yield completion.text


def _client_pieces(
    settings: EngineSettings, prompt: str, params: SamplingParams, seed: int | None
) -> AsyncGenerator[str, None] | None:
    """The stream of the kind's client library; None where there is none."""
    # The libraries take 0.5 and 1 s to import, and only one is needed.
    match settings.kind:
        case "tgi":
            from selfalign.inference.streams.huggingface import tgi_pieces

            return tgi_pieces(settings, prompt, params, seed)
        case "openai":
            from selfalign.inference.streams.openai import openai_pieces

            return openai_pieces(settings, prompt, params, seed)
    return None


async def _cut(
    pieces: AsyncGenerator[str, None], params: SamplingParams, deadline_s: float
) -> AsyncGenerator[str, None]:
    """The pieces up to the first stop sequence, none of them empty, within the deadline."""
    cutter = StopCutter(params.stop)
    async with aclosing(pieces):
        async for piece in _before_deadline(pieces, deadline_s):
            if text := cutter.feed(piece):
                yield text
            if cutter.stopped:
                return
    if text := cutter.flush():
        yield text


async def _before_deadline(
    pieces: AsyncGenerator[str, None], deadline_s: float
) -> AsyncGenerator[str, None]:
    """The pieces; at least one, since even an empty text ends with a token."""
    end = asyncio.get_running_loop().time() + deadline_s
    count = 0
    while True:
        try:
            # Not around the whole loop: a limit there would cancel what the reader does meanwhile.
            async with asyncio.timeout_at(end):
                piece = await anext(pieces, None)
        except TimeoutError as error:
            what = f"the engine did not end its answer within {deadline_s:g} s"
            raise EngineTimeout(what) from error
        if piece is None:
            break
        count += 1
        yield piece
    if count == 0:
        raise EngineError("the engine sent no stream")
