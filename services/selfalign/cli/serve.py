"""`selfalign serve`: the gRPC services and the model-server, each in the foreground."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from selfalign.constitution.yaml_file import load_constitution
from selfalign.errors import ConfigError
from selfalign.inference.build import build_engine
from selfalign.inference.engine import Engine
from selfalign.inference.settings import EngineSettings
from selfalign.pipeline.config import RunConfig
from selfalign.pipeline.load import load_run_config
from selfalign.principle_engine import service as principle_engine
from selfalign.prompt_synthesizer import service as prompt_synthesizer
from selfalign.refiner import service as refiner
from selfalign.rpc.server import ServerSettings, ServiceRegistration, run_server
from selfalign.telemetry.logs import setup_logging
from selfalign.telemetry.metrics import Metrics

SERVICES = ("prompt-synthesizer", "principle-engine", "refiner")


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(
        "serve", context_settings={"allow_extra_args": True, "ignore_unknown_options": True}
    )(serve_command)


def serve_command(
    context: typer.Context,
    service: Annotated[
        str, typer.Argument(help="prompt-synthesizer, principle-engine, refiner or model-server.")
    ],
    config: Annotated[Path | None, typer.Option(help="The run.yaml with the settings.")] = None,
    engine_url: Annotated[
        str | None, typer.Option(help="The engine to use instead of the file's.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "0.0.0.0",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 picks a free one.")] = 50051,
    metrics_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Prometheus metrics; off by default.")
    ] = None,
    health_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Health without TLS, for probes.")
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate chain in PEM.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its key in PEM.")] = None,
    tls_client_ca: Annotated[
        Path | None, typer.Option(help="CA of the clients' certificates (mTLS).")
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option(help="Accepted bearer tokens, one a line.")
    ] = None,
    drain_delay: Annotated[
        float, typer.Option(min=0, help="Seconds from NOT_SERVING to the end of streams.")
    ] = 0.0,
    drain_grace: Annotated[
        float, typer.Option(min=0, help="Seconds that running calls may take to end.")
    ] = 60.0,
    reflection: Annotated[bool, typer.Option(help="Server reflection, for grpcurl.")] = True,
) -> None:
    """Serves until SIGTERM or ctrl-C, then drains. Options after `model-server` are its own."""
    if service == "model-server":
        _serve_model(context.args, host, port)
        return
    if service not in SERVICES:
        raise ConfigError(
            f"serve: {service!r} is no service; expected one of "
            f"{', '.join((*SERVICES, 'model-server'))}"
        )
    if context.args:
        raise ConfigError(f"serve {service}: unknown arguments {' '.join(context.args)}")
    if config is None:
        raise ConfigError(f"serve {service}: --config is missing; expected the path of a run.yaml")
    setup_logging()
    settings = load_run_config(config)
    engine = settings.engine
    if engine_url:
        engine = EngineSettings(**{**engine.model_dump(), "url": engine_url})
    if not engine.url:
        raise ConfigError("engine.url is not set; name the engine there or with --engine-url")
    server = _server_settings(
        host=host,
        port=port,
        metrics_port=metrics_port,
        health_port=health_port,
        tls_cert=tls_cert,
        tls_key=tls_key,
        tls_client_ca=tls_client_ca,
        token_file=token_file,
        drain_delay_s=drain_delay,
        drain_grace_s=drain_grace,
        reflection=reflection,
    )
    asyncio.run(_serve(service, settings, engine, server))


def _server_settings(**options: Any) -> ServerSettings:  # noqa: ANN401
    try:
        return ServerSettings(**options)
    except ValidationError as error:
        findings = [finding["msg"].removeprefix("Value error, ") for finding in error.errors()]
        raise ConfigError(f"serve: {'; '.join(findings)}") from error


async def _serve(
    name: str, config: RunConfig, engine_settings: EngineSettings, server: ServerSettings
) -> None:
    metrics = Metrics()
    engine = build_engine(engine_settings, metrics)
    try:
        registration = await _register(name, config, engine)
        await run_server(
            [registration], server, metrics=metrics, ready=lambda port: _ready(server, port)
        )
    finally:
        await engine.close()


async def _register(name: str, config: RunConfig, engine: Engine) -> ServiceRegistration:
    if name == "prompt-synthesizer":
        return await prompt_synthesizer.registration(
            engine, config.synthesizer, config.task_seeds, config.topic_seeds
        )
    constitution = load_constitution(config.constitution)
    if name == "principle-engine":
        return await principle_engine.registration(engine, config.align, constitution)
    return await refiner.registration(engine, config.refine, constitution)


def _ready(server: ServerSettings, port: int) -> None:
    """Tells whoever started us where we listen."""
    print(json.dumps({"event": "ready", "address": f"{server.host}:{port}"}), flush=True)


def _serve_model(arguments: list[str], host: str, port: int) -> None:
    # Imported here: torch takes a second, and the gRPC services must not carry it.
    from selfalign.model_server.__main__ import main

    sys.exit(main([*arguments, "--host", host, "--port", str(port)]))
