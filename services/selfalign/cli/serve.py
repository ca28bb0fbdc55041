"""`selfalign serve`: the gRPC services and the model-server, each in the foreground."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from selfalign.errors import ConfigError
from selfalign.events import Ready, emit
from selfalign.inference.client.build import build_engine
from selfalign.inference.client.engine_settings import EngineSettings
from selfalign.model_server.__main__ import serve_model
from selfalign.options import with_options
from selfalign.pipeline.run.config import RunConfig
from selfalign.pipeline.run.run_file import load_run_config
from selfalign.pipeline.services.register import SERVICES, Service
from selfalign.roles import ServiceName
from selfalign.rpc.server import ServerSettings, run_server
from selfalign.settings.documents import validate
from selfalign.telemetry.logs import setup_logging
from selfalign.telemetry.metrics import Metrics


class _Services(typer.core.TyperGroup):
    """One command for each service."""

    # typer keeps the types of context and command private.
    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401
        command = super().get_command(ctx, cmd_name)
        if command is None:
            expected = ", ".join(self.list_commands(ctx))
            raise ConfigError(f"serve: {cmd_name!r} is no service; expected one of {expected}")
        return command


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    serve = typer.Typer(
        cls=_Services,
        no_args_is_help=True,
        help="Serves one service in the foreground until SIGTERM or ctrl-C, then drains.",
    )
    for name in SERVICES:
        serve.command(name)(service_command(name))
    serve.command("model-server")(with_options(serve_model))
    app.add_typer(serve, name="serve")


def service_command(name: ServiceName) -> Callable[..., None]:
    """The command that serves one of the gRPC services."""

    @with_options
    def command(
        server: ServerSettings,
        config: Annotated[
            Path | None, typer.Option(help="The run.yaml with the service's settings.")
        ] = None,
        engine_url: Annotated[
            str | None, typer.Option(help="Address of the engine, in place of the file's.")
        ] = None,
    ) -> None:
        if config is None:
            raise ConfigError(f"serve {name}: --config is missing; expected the path of a run.yaml")
        setup_logging()
        settings = load_run_config(config)
        engine = settings.engine
        if engine_url:
            engine = validate(
                EngineSettings, engine.model_dump() | {"url": engine_url}, "--engine-url"
            )
        if not engine.url:
            raise ConfigError("engine.url is not set; name the engine there or with --engine-url")
        asyncio.run(_serve(SERVICES[name], settings, engine, server))

    command.__doc__ = f"Serves the {name} over gRPC."
    return command


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
    """Reports the address to whoever started this process."""
    emit(Ready(address=f"{server.host}:{port}"))
