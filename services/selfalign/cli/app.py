"""The command tree."""

import typer

from selfalign.cli import chat, constitution, inspect, run, serve, weights, worker

HELP = """SELF-ALIGN: from a base model, a constitution and a page of seeds to an aligned model,
its training set, and a ledger that accounts for every row.

Start with `selfalign run -f run.yaml`; then `selfalign status`, `verify`, `show`, `chat`.
Exit codes: 0 done, 2 usage, 64 configuration, 65 data, 66 model, 69 engine, 70 stage, 71 port,
73/74 store, 75 failed rows (run again), 76 ledger, 78 other settings, 130 stopped.
Add --debug to any command for a traceback."""


def build_app() -> typer.Typer:
    """All subcommands; each module registers its own."""
    app = typer.Typer(
        help=HELP, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
    )
    for module in (run, inspect, chat, serve, worker, weights, constitution):
        module.register(app)
    return app
