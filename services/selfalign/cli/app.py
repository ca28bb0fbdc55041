"""The command tree."""

import typer

from selfalign.cli import chat, constitution, inspect, run, serve, weights, wording, worker
from selfalign.errors import EXIT_CODES

HELP = """SELF-ALIGN: from a base model, a constitution and a page of seeds to an aligned model,
its training set, and a ledger that accounts for every row.

Start with `selfalign run -f run.yaml`; then `selfalign status`, `verify`, `show`, `chat`.
Exit codes: {exit_codes}.
Add --debug to any command for a traceback."""


def build_app() -> typer.Typer:
    """All subcommands; each module registers its own."""
    codes = ", ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items())
    app = typer.Typer(
        help=HELP.format(exit_codes=codes),
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    for module in (run, inspect, chat, serve, worker, weights, constitution, wording):
        module.register(app)
    return app
