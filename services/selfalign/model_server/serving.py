"""A server's life: load the model, listen, say so, drain on SIGTERM."""

import asyncio
import errno
import logging
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from aiohttp import web

from selfalign.errors import ModelError, PortInUse
from selfalign.events import Ready, emit
from selfalign.model_server.api.chat_routes import ChatRoutes
from selfalign.model_server.api.chat_template import load_chat_template
from selfalign.model_server.api.gate import Gate
from selfalign.model_server.api.generator import Generator
from selfalign.model_server.api.openai_routes import OpenAiRoutes
from selfalign.model_server.api.score_routes import ScoreRoutes
from selfalign.model_server.api.scorer import Scorer
from selfalign.model_server.api.tgi_metrics import TgiMetrics
from selfalign.model_server.api.tgi_routes import ServedModel, TgiRoutes
from selfalign.model_server.api.validation import RequestLimits
from selfalign.model_server.batching.engine_thread import EngineThread
from selfalign.model_server.batching.scheduler import SchedulerLimits
from selfalign.model_server.batching.tokenizer import TextTokenizer
from selfalign.model_server.server_options import ModelServerSettings
from selfalign.model_server.transformer.causal_lm import CausalLM

log = logging.getLogger("selfalign.model_server")


def build_api(settings: ModelServerSettings) -> TgiRoutes:
    """Loads the model and starts its engine.

    Raises:
        ModelError: the folder cannot be served, or the limits exceed the model's context.
    """
    torch.set_num_threads(settings.threads or len(os.sched_getaffinity(0)))
    folder = Path(settings.model)
    if not folder.is_dir():
        raise ModelError(
            f"--model {settings.model}: no such folder; make the small one with "
            "`python -m selfalign.model_server.prepare --output DIR`"
        )
    tokenizer = TextTokenizer(folder)
    metrics = TgiMetrics()
    limits = SchedulerLimits(settings.slots, settings.prefill_tokens, settings.prefix_cache_tokens)

    def load() -> tuple[EngineThread, RequestLimits]:
        model = CausalLM(folder, settings.dtype)
        allowed = resolve_limits(settings, model.config.max_positions)
        return EngineThread(model, tokenizer, limits, metrics), allowed

    # In a thread that ends: libgomp counts the compute threads of every thread that has some, and
    # where they are more than cores, those that wait sleep at once, however long they may spin.
    with ThreadPoolExecutor(1) as loader:
        engine, allowed = loader.submit(load).result()
    engine.start()
    name = settings.model_id or settings.model
    served = ServedModel(name, settings.payload_limit, load_chat_template(folder))
    return TgiRoutes(Generator(engine, tokenizer, allowed, metrics), served)


def resolve_limits(settings: ModelServerSettings, context: int) -> RequestLimits:
    """Fills in what the settings leave to the model.

    Raises:
        ModelError: more tokens than the model's context.
    """
    total = settings.max_total_tokens or context
    if total > context:
        raise ModelError(f"--max-total-tokens {total}: the model's context is {context} tokens")
    longest = settings.max_input_tokens or total - 1
    if not 0 < longest < total:
        raise ModelError(
            f"--max-input-tokens {longest}: must be from 1 to {total - 1} (max_total_tokens - 1)"
        )
    return RequestLimits(
        max_input_tokens=longest,
        max_total_tokens=total,
        max_best_of=settings.max_best_of,
        max_stop_sequences=settings.max_stop_sequences,
        max_top_n_tokens=settings.max_top_n_tokens,
        max_client_batch_size=settings.max_client_batch_size,
        max_concurrent_requests=settings.max_concurrent_requests,
    )


def build_app(api: TgiRoutes, gate: Gate) -> web.Application:
    """The routes behind the gate."""
    app = web.Application(middlewares=[gate.middleware], client_max_size=api.served.payload_limit)
    openai = OpenAiRoutes(api.generator, api.served)
    chat = ChatRoutes(api.generator, api.served)
    scoring = ScoreRoutes(Scorer(api.generator))
    app.add_routes(
        [
            web.get("/", api.health),
            web.get("/health", api.health),
            web.get("/ping", api.health),
            web.get("/info", api.info),
            web.get("/metrics", api.metrics),
            web.get("/v1/models", openai.models),
            web.post("/", api.compat),
            web.post("/generate", api.generate),
            web.post("/generate_stream", api.generate_stream),
            web.post("/tokenize", api.tokenize),
            web.post("/score", scoring.score),
            web.post("/v1/completions", openai.completions),
            web.post("/v1/chat/completions", chat.completions),
        ]
    )
    return app


async def serve(api: TgiRoutes, gate: Gate, host: str, port: int) -> None:
    """Listens until SIGTERM or SIGINT, then completes the open requests.

    Raises:
        PortInUse: another process listens there.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    # handler_cancellation: a client that goes away must free its row
    runner = web.AppRunner(
        build_app(api, gate), handler_cancellation=True, access_log=None, shutdown_timeout=1.0
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            raise PortInUse(
                f"--port {port}: another process listens on {host}:{port}; "
                "choose another port, or 0 for any free one"
            ) from error
        listening = runner.addresses[0]
        address = f"{listening[0]}:{listening[1]}"
        log.info("listening on %s", address)
        emit(Ready(address=address))
        await stop.wait()
        await site.stop()
        log.info("draining %d open requests", gate.open_requests)
        await gate.idle.wait()
    finally:
        await runner.cleanup()
        api.generator.engine.close()
