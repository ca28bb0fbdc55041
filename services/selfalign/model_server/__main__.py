"""`python -m selfalign.model_server`: serves one model folder."""

import asyncio
import logging
import os
import sys

import typer

from selfalign.errors import DONE, SelfAlignError
from selfalign.model_server.freed_memory import keep_freed_memory
from selfalign.model_server.server_options import ModelServerSettings
from selfalign.options import with_options

PROGRAM = "python -m selfalign.model_server"


def serve_model(settings: ModelServerSettings) -> None:
    """Serves a LLaMA-architecture folder on the CPU over TGI's HTTP API, until SIGTERM."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(name)s %(message)s"
    )
    # Both before torch is imported: the arena is chosen by a thread's first allocation, and the
    # environment is read once.
    keep_freed_memory()
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", str(settings.spin))
    from selfalign.model_server.api.gate import Gate
    from selfalign.model_server.serving import build_api, serve

    gate = Gate(settings.api_key)
    asyncio.run(serve(build_api(settings), gate, settings.host, settings.port))


def build_app() -> typer.Typer:
    """The command line: one option for each setting."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(with_options(serve_model))
    return app


def main(argv: list[str]) -> int:
    """Runs the server; returns the exit code."""
    try:
        build_app()(argv, prog_name=PROGRAM)
    except SystemExit as end:
        # typer ends every command so; its own complaints about the command line carry 2.
        return end.code if isinstance(end.code, int) else DONE
    except SelfAlignError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return DONE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
