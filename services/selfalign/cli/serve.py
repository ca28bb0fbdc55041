"""`selfalign serve`: the gRPC services and the model-server, each in the foreground."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from selfalign.errors import ConfigError
from selfalign.events import Ready, emit
from selfalign.inference.client.build import build_engine
from selfalign.inference.client.engine_settings import EngineSettings
from selfalign.pipeline.run.config import RunConfig
from selfalign.pipeline.run.run_file import load_run_config
from selfalign.pipeline.services.register import SERVICES, Service
from selfalign.rpc.server import ServerSettings, run_server
from selfalign.telemetry.logs import setup_logging
from selfalign.telemetry.metrics import Metrics


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
    chosen = next((found for name, found in SERVICES.items() if name == service), None)
    if chosen is None:
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
    asyncio.run(_serve(chosen, settings, engine, server))


def _server_settings(**options: Any) -> ServerSettings:  # noqa: ANN401
    try:
        return ServerSettings(**options)
    except ValidationError as error:
        findings = [finding["msg"].removeprefix("Value error, ") for finding in error.errors()]
        raise ConfigError(f"serve: {'; '.join(findings)}") from error


async def _serve(
    service: Service, config: RunConfig, engine_settings: EngineSettings, server: ServerSettings
) -> None:
    metrics = Metrics()
    engine = build_engine(engine_settings, metrics)
    try:
        registration = await service.register(engine, config)
        await run_server(
            [registration], server, metrics=metrics, ready=lambda port: _ready(server, port)
        )
    finally:
        await engine.close()


def _ready(server: ServerSettings, port: int) -> None:
    """Tells whoever started us where we listen."""
    emit(Ready(address=f"{server.host}:{port}"))


def _serve_model(arguments: list[str], host: str, port: int) -> None:
    # Imported here: torch takes a second, and the gRPC services must not carry it.
    from selfalign.model_server.__main__ import main

    sys.exit(main([*arguments, "--host", host, "--port", str(port)]))
